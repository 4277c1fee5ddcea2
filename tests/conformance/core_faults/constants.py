"""9: constants that are hard to see."""

from tests.conformance.core_faults.registry import plant_position, plants, with_adam, with_constant


@plants("constants", "the ε of pixel norm is 1.1e-8", "L1-official-faint", "forward")
def epsilon_of_pixel_norm(replace):
    from alae_core.networks.layers import PixelNorm

    replace(PixelNorm, "call", with_constant(PixelNorm.call, 1e-8, 1.1e-8))


@plants("constants", "the ε of G's instance norm is 1.1e-8", "L1-style-faint", "forward")
def epsilon_of_generator(replace):
    from alae_core.networks import style_generator

    replace(style_generator, "_EPSILON", 1.1e-8)


@plants("constants", "the ε of E's instance norm is 1.1e-5", "L1-style-faint", "forward")
def epsilon_of_encoder(replace):
    from alae_core.networks import style_encoder

    replace(style_encoder, "_EPSILON", 1.1e-5)


@plants("constants", "the ε of E's statistics is 1.1e-10", "L1-style-faint", "forward")
def epsilon_of_statistics(replace):
    from alae_core.networks import features, style_encoder

    other = with_constant(features.statistics, 1e-10, 1.1e-10)
    for module in (features, style_encoder):
        replace(module, "statistics", other)


@plants("constants", "Adam's ε is 1.01e-8", "L3-wasserstein-epsilon", "displacement")
def epsilon_of_adam(replace):
    plant_position(replace, lambda here, step: with_adam(here, epsilon=1.01 * here.stage.adam.epsilon))


@plants("constants", "a cut-out has 0.505 of the image's sides", "L1-augmented-edges", "losses")
def larger_cutouts(replace):
    from alae_core import augment

    replace(augment, "_mask", with_constant(augment._mask, 4, 4 / 1.01))


@plants("constants", "flips are 0.5 % too likely", "L1-augmented-edges", "losses")
def likelier_flips(replace):
    from alae_core import augment

    replace(augment, "_move", with_constant(augment._move, 0.5, 0.5025))


@plants("constants", "the learning rate is 1 % smaller after step 100", "L3-leaky-late", "displacement")
def slower_later(replace):
    def change(here, step):
        return with_adam(here, learning_rate=here.stage.adam.learning_rate * (0.99 if step > 100 else 1))

    plant_position(replace, change)


@plants("constants", "perceptrons have a slope of 0.2 or 1", "L1-unusual-looking", "looking")
def usual_slope(replace):
    from alae_core.networks import perceptron

    sound = perceptron.LeakyReLU
    replace(perceptron, "LeakyReLU", lambda slope, **options: sound(0.2, **options))


@plants("constants", "β2 is 0.99 in every run", "L3-unusual-run", "displacement")
def usual_beta2(replace):
    plant_position(replace, lambda here, step: with_adam(here, beta2=0.99))


@plants("constants", "Adam's warm-up is 0.9 in every run that has one", "L3-unusual-run", "displacement")
def usual_warmup(replace):
    plant_position(replace, lambda here, step: with_adam(here, warmup=0.9))


@plants("constants", "the mean of w decays by 0.995 in every run", "L3-scheduled-growth", "w_mean", "float64")
def usual_mean(replace):
    from alae_core import walk

    sound = walk.average_step
    replace(walk, "average_step", lambda decay, average, value: sound(0.995, average, value))


@plants("constants", "averages have a half-life of 20 images in every run", "L3-uncommon-run", "averages", "float64")
def usual_halflife(replace):
    def change(here, step):
        return here._replace(stage=here.stage._replace(average_decay=0.5 ** (here.stage.batch_size / 20)))

    plant_position(replace, change)


@plants("constants", "γ of R1 is 10 in every run that has one", "L2-unusual-gradients", "gradients", "float64")
def usual_gamma(replace):
    from alae_core import updates

    sound = updates.gradient_penalty
    replace(updates, "gradient_penalty", lambda gradient, gamma: sound(gradient, 10.0))


@plants("constants", "γ of R2 is 4 in every run that has one", "L2-unusual-gradients", "gradients", "float64")
def usual_second_gamma(replace):
    from alae_core import alae_losses

    sound = alae_losses.gradient_penalty
    replace(alae_losses, "gradient_penalty", lambda gradient, gamma: sound(gradient, 4.0))


@plants("constants", "styles are mixed with probability 0.9 in every run", "L0-scheduled-mixes", "draws")
def usual_mixing(replace):
    from alae_core import draws

    sound = draws.mixing_cutoff
    replace(draws, "mixing_cutoff", lambda probability, lod, **options: sound(0.9, lod, **options))


@plants("constants", "all networks have F's lrmul", "L1-unusual-looking", "looking")
def lrmul_of_f(replace):
    from alae_core.networks import specs

    sound = specs.dense_layout

    def dense_layout(inputs, outputs, *, lrmul=1.0, **options):
        return sound(inputs, outputs, lrmul=1.0 if lrmul == 1 else 0.3, **options)

    replace(specs, "dense_layout", dense_layout)


@plants("constants", "a bump's width ends to grow at the third block", "L1-blended-sizes", "looking", "float64")
def narrow_bumps(replace):
    from alae_core.networks import style_generator

    sound = style_generator._bump
    replace(style_generator, "_bump", lambda x, lod: sound(x, min(lod, 2)))


@plants("constants", "He-normal kernels are those of the usual slope", "L0-uncommon-initial", "initial", "float64")
def usual_gain(replace):
    from alae_core.networks import specs

    sound = specs.he_gain
    replace(specs, "he_gain", lambda slope: sound(slope if slope == 1 else 0.2))


@plants("constants", "kernels start as if no multiplier were below 0.3", "L0-unusual-initial", "initial")
def larger_multiplier(replace):
    from alae_core.networks import specs

    sound = specs.dense_layout

    def dense_layout(inputs, outputs, *arguments, **options):
        if "lrmul" in options:
            options["lrmul"] = max(options["lrmul"], 0.3)
        return sound(inputs, outputs, *arguments, **options)

    replace(specs, "dense_layout", dense_layout)


@plants("constants", "Adam's ε is 1e-10 or more", "L3-particular-epsilon", "displacement")
def least_epsilon(replace):
    plant_position(replace, lambda here, step: with_adam(here, epsilon=max(1e-10, here.stage.adam.epsilon)))


@plants("constants", "Adam's warm-up is 0.999 or less", "L3-particular-substeps", "displacement")
def shorter_warmup(replace):
    plant_position(replace, lambda here, step: with_adam(here, warmup=min(0.999, here.stage.adam.warmup)))


@plants("constants", "γ that has fallen to zero is the configured one", "L3-adaptive-usual", "losses", "float64")
def gamma_of_zero(replace):
    plant_position(
        replace, lambda here, step: here._replace(rates=here.rates._replace(r1_gamma=here.rates.r1_gamma or None))
    )


@plants("constants", "a p that starts at zero has no effect", "L3-adaptive-usual", "losses", "float64")
def p_of_zero(replace):
    from alae_core import alae_losses

    sound = alae_losses.apply_augmentation

    def apply(networks, images, batch):
        choice = networks.config.augment
        return sound(networks, images, batch) if choice is not None and choice.p else images

    replace(alae_losses, "apply_augmentation", apply)


@plants("constants", "decays of averages have three digits", "L3-adaptive-usual", "averages", "float64")
def short_decays(replace):
    def change(here, step):
        return here._replace(stage=here.stage._replace(average_decay=round(here.stage.average_decay, 3)))

    plant_position(replace, change)
