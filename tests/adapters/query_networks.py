"""Small detectors of transformers, and one batch that they learn."""

import torch
import transformers

transformers.logging.set_verbosity_error()

STAGES = ["stage2", "stage3", "stage4"]
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 8, 16, 16], "depths": [1] * 4, "layer_type": "basic"}
CHANNELS = {"stem_channels": [3, 4, 8], "stage_in_channels": [8, 8, 8, 16], "stage_out_channels": [8, 8, 16, 16]}
BLOCKS = {"stage_mid_channels": [4] * 4, "stage_num_blocks": [1] * 4, "stage_numb_of_layers": [1] * 4}
HGNET = {
    **{name: RESNET[name] for name in ("embedding_size", "hidden_sizes", "depths")},
    **{"stage_downsample": [False, True, True, True], "stage_light_block": [False] * 4, "stage_kernel_size": [3] * 4},
    **CHANNELS,
    **BLOCKS,
}
SIDES = {"d_model": 32, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_layers": 2}
SIZE = {**SIDES, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "num_queries": 12, "num_labels": 3, "dropout": 0.0}
MAPS = {"encoder_in_channels": [8, 16, 16], "decoder_in_channels": [32] * 3, "feat_strides": [8, 16, 32]}
REAL_TIME = {**SIZE, **MAPS, "encoder_hidden_dim": 32, "hidden_expansion": 0.5, "num_denoising": 6}


def query_model(kind, seed=0, **more):
    """A detector of 3 classes, 12 queries and 2 decoder layers."""
    torch.manual_seed(seed)
    resnet = transformers.ResNetConfig(**RESNET, out_features=STAGES[-1:] if kind == "DETR" else STAGES)
    both = {**SIZE, "encoder_layers": 1, "auxiliary_loss": True, "backbone_config": resnet, **more}
    if kind == "DETR":
        return transformers.DetrForObjectDetection(transformers.DetrConfig(**both))
    if kind == "Deformable DETR":
        config = transformers.DeformableDetrConfig(**{"num_feature_levels": 3, "with_box_refine": True, **both})
        return transformers.DeformableDetrForObjectDetection(config)
    if kind == "D-FINE":
        backbone = transformers.HGNetV2Config(**HGNET, out_features=STAGES)
        config = transformers.DFineConfig(**{**REAL_TIME, "backbone_config": backbone, **more})
        return transformers.DFineForObjectDetection(config)
    backbone = transformers.RTDetrResNetConfig(**RESNET, out_features=STAGES)
    name = "RTDetr" if kind == "RT-DETR" else "RTDetrV2"
    config = getattr(transformers, f"{name}Config")(**{**REAL_TIME, "backbone_config": backbone, **more})
    return getattr(transformers, f"{name}ForObjectDetection")(config)


def pictures():
    """Flat rectangles on noise, as the models take them; the last image is empty."""
    g = torch.Generator().manual_seed(3)
    pixels = 0.1 * torch.rand(2, 3, 64, 96, generator=g)
    boxes = torch.tensor([[0.3, 0.3, 0.2, 0.4], [0.7, 0.6, 0.3, 0.3], [0.4, 0.7, 0.2, 0.2]])
    labels = torch.tensor([0, 1, 2])
    for (x, y, w, h), label in zip(boxes.tolist(), labels.tolist(), strict=True):
        rows, columns = (slice(int((c - s / 2) * n), int((c + s / 2) * n)) for c, s, n in ((y, h, 64), (x, w, 96)))
        pixels[0, label, rows, columns] += 0.8
    full = {"class_labels": labels, "boxes": boxes}
    return pixels, [full, {"class_labels": torch.zeros(0).long(), "boxes": torch.zeros(0, 4)}]


def run(model, seed=0):
    """Output for the one batch; the seed is for denoising."""
    torch.manual_seed(seed)
    pixels, targets = pictures()
    return model(pixel_values=pixels, pixel_mask=torch.ones(2, 64, 96).long(), labels=targets)


def learn(model, steps, rate=1e-3, parameters=None):
    """Loss of every step."""
    model.train()
    optimizer = torch.optim.AdamW(parameters or model.parameters(), lr=rate)
    found = []
    for step in range(steps):
        loss = run(model, step).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found
