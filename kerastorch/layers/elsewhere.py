"""The layers of Keras that kerastorch does not have -> what to use in their place."""

from __future__ import annotations

from collections.abc import Mapping

_IMAGE_LAYERS = (
    "AugMix AutoContrast CenterCrop ContrastLimitedAdaptiveHistogramEqualization CutMix Equalization "
    "MaxNumBoundingBoxes MixUp RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter "
    "RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur "
    "RandomGrayscale RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation "
    "RandomSaturation RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom Solarization"
)
_IMAGES = "images are changed before the model, by torchvision.transforms."
_OTHER_FRAMEWORKS = "kerastorch runs on torch alone; a torch module stands in a model as TorchModuleWrapper(module)."
ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(
        _IMAGE_LAYERS.split(),
        _IMAGES,
    ),
    **dict.fromkeys(("FlaxLayer", "JaxLayer", "TFSMLayer"), _OTHER_FRAMEWORKS),
    "DenseFeatures": "TensorFlow's feature columns have no counterpart; pass arrays to Input layers.",
    "HashedCrossing": "make the crossed feature before the model; kerastorch.utils.hashing_trick hashes words.",
    "MelSpectrogram": "use torchaudio.transforms.MelSpectrogram, in the model as TorchModuleWrapper(module).",
    "Pipeline": "use Sequential, or torch.nn.Sequential.",
    "Resizing": "use torch.nn.functional.interpolate, in the model as Lambda(function).",
    "ReversibleEmbedding": "use Embedding, and kerastorch.ops.matmul with its transposed weight for the way back.",
    "STFTSpectrogram": "use torch.stft, in the model as Lambda(function).",
}
