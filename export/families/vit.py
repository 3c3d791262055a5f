"""ViT and those that share its layout: ViT-MSN, DeiT, DINOv2, I-JEPA."""

from vitscope.export.families.plain import Plain

# Keys are the class names under `architectures` in config.json. Every DeiT of transformers has a distillation token;
# without a teacher's head it takes part in attention but is not classified.
FAMILIES = {
    "ViTForImageClassification": Plain("vit", "ViT", "vit"),
    "ViTMSNForImageClassification": Plain("vit-msn", "ViT-MSN", "vit"),
    "DeiTForImageClassification": Plain("deit", "DeiT", "deit", distillation_tokens=1),
    "DeiTForImageClassificationWithTeacher": Plain(
        "deit-distilled", "DeiT distilled", "deit", distillation_tokens=1, pooling="cls+distillation",
        heads={"head": "cls_classifier", "distillation_head": "distillation_classifier"},
    ),
    "Dinov2ForImageClassification": Plain(
        "dinov2", "DINOv2", "dinov2", layers="encoder.layer", pooling="cls+mean", always_interpolates=True
    ),
    "Dinov2WithRegistersForImageClassification": Plain(
        "dinov2-with-registers", "DINOv2 with registers", "dinov2_with_registers", layers="encoder.layer",
        pooling="cls+mean", always_interpolates=True,
    ),
    "IJepaForImageClassification": Plain("ijepa", "I-JEPA", "ijepa", cls_tokens=0, pooling="mean"),
}  # fmt: skip
