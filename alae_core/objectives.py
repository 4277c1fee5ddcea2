"""The adversarial objectives by name; `losses.py` defines their terms. Configurations are checked without Keras."""

from typing import Any, NamedTuple

from alae_core.groups import Settings

#: a function of tensors, or "module:function", which is imported when the model is built
Term = Any


class Objective(NamedTuple):
    """An adversarial objective: per-sample terms as functions of the logits D(E(·)), shape (batch,).

    The paper writes them with one f (equation 5): the discriminator maximises f(D(real)) + f(−D(fake)) and the
    generator f(D(fake)), so each term here has the form −f(±logit); the hinge has a separate f for the generator.

    Attributes:
        real: the discriminator's term of real images, from D(real).
        fake: the discriminator's term of generated images, from D(fake). If None, the objective is one of pairs: `real`
            is a function of D(real) − D(fake) and `generator` of D(fake) − D(real), where the i-th real image is paired
            with the i-th generated one.
        generator: the generator's term, from D(fake).
        settings: the type of the group `objective_settings`, if the objective has hyper-parameters. Each term is then
            called with that group as the argument `settings` too.
    """

    real: Term
    fake: Term
    generator: Term
    settings: type[Settings] | None = None


#: every objective that is part of alae by name, the value of `config.objective`
OBJECTIVES: dict[str, Objective] = {
    # f(t) = −log(1 + exp(−t)), the non-saturating logistic GAN (Goodfellow et al. 2014)
    "logistic": Objective(
        "alae_core.losses:logistic_real", "alae_core.losses:logistic_fake", "alae_core.losses:logistic_real"
    ),
    # f(t) = t (Arjovsky et al. 2017)
    "wasserstein": Objective(real=lambda t: -t, fake=lambda t: t, generator=lambda t: -t),
    # f(t) = min(0, t − 1) for the discriminator, f(t) = t for the generator (Lim and Ye 2017)
    "hinge": Objective("alae_core.losses:hinge_real", "alae_core.losses:hinge_fake", generator=lambda t: -t),
    # the logistic f of pairs (Jolicoeur-Martineau 2019; Huang et al. 2024)
    "relativistic": Objective("alae_core.losses:logistic_real", None, "alae_core.losses:logistic_real"),
}
