"""How samples and reconstructions compare with real images in spaces of networks that were trained on photographs."""

from alae_workbench.evaluation.measures.samples import enter
from alae_workbench.evaluation.pretrained.efficientnet import EfficientNetLite0

enter(EfficientNetLite0(), __name__.rpartition(".")[2])
