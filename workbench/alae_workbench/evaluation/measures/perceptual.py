"""How samples and reconstructions compare with real images in spaces of networks that were trained on photographs."""

from alae_workbench.evaluation.pretrained.efficientnet import EfficientNetLite0
from alae_workbench.evaluation.samples import enter

enter(EfficientNetLite0(), __name__.rpartition(".")[2])
