"""What NVIDIA's DCGM exporter says: the fields that it has by itself, and those that we switch on.

Names and types as in the exporter's own list for cards with profiling (`dcp-metrics-included.csv`, read May 2026).
"""

import hashlib

GAUGE, COUNTER, LABEL = "gauge", "counter", "label"
DEFAULT = {
    "DCGM_FI_DEV_SM_CLOCK": (GAUGE, "clock of the multiprocessors in MHz"),
    "DCGM_FI_DEV_MEM_CLOCK": (GAUGE, "clock of the memory in MHz"),
    "DCGM_FI_DEV_GPU_TEMP": (GAUGE, "temperature of the card in degrees Celsius"),
    "DCGM_FI_DEV_MEMORY_TEMP": (GAUGE, "temperature of its memory in degrees Celsius"),
    "DCGM_FI_DEV_POWER_USAGE": (GAUGE, "power in W"),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": (COUNTER, "energy since the driver was loaded in mJ"),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": (COUNTER, "what had to be sent over PCIe again"),
    "DCGM_FI_DEV_GPU_UTIL": (GAUGE, "share of time with a kernel at work in percent"),
    "DCGM_FI_DEV_MEM_COPY_UTIL": (GAUGE, "share of time with the memory at work in percent"),
    "DCGM_FI_DEV_ENC_UTIL": (GAUGE, "use of the encoder in percent"),
    "DCGM_FI_DEV_DEC_UTIL": (GAUGE, "use of the decoder in percent"),
    "DCGM_FI_DEV_XID_ERRORS": (GAUGE, "code of the last Xid error"),
    "DCGM_FI_DEV_FB_FREE": (GAUGE, "free memory in MiB"),
    "DCGM_FI_DEV_FB_USED": (GAUGE, "used memory in MiB"),
    "DCGM_FI_DEV_FB_RESERVED": (GAUGE, "memory that the driver keeps in MiB"),
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": (COUNTER, "traffic of all lanes of NVLink"),
    "DCGM_FI_DEV_VGPU_LICENSE_STATUS": (GAUGE, "state of a vGPU licence"),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": (COUNTER, "rows replaced after errors that were not corrected"),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": (COUNTER, "rows replaced after errors that were corrected"),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": (GAUGE, "whether a row could not be replaced"),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": (GAUGE, "share of time with the engine at work"),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": (GAUGE, "share of cycles with the tensor cores at work"),
    "DCGM_FI_PROF_DRAM_ACTIVE": (GAUGE, "share of cycles with the memory interface at work"),
    "DCGM_FI_PROF_PCIE_TX_BYTES": (GAUGE, "bytes sent over PCIe per second"),
    "DCGM_FI_PROF_PCIE_RX_BYTES": (GAUGE, "bytes received over PCIe per second"),
    "DCGM_FI_DRIVER_VERSION": (LABEL, "version of the driver"),
}
SWITCHED_ON = {
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": (COUNTER, "corrected errors of one bit since the driver was loaded"),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": (COUNTER, "errors of two bits since the driver was loaded"),
    "DCGM_FI_DEV_THERMAL_VIOLATION": (COUNTER, "time that heat held the clocks down"),
    "DCGM_FI_DEV_POWER_VIOLATION": (COUNTER, "time that the power limit held the clocks down"),
    "DCGM_FI_DEV_NVLINK_CRC_DATA_ERROR_COUNT_TOTAL": (COUNTER, "damaged data on NVLink"),
    "DCGM_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": (COUNTER, "what had to be sent over NVLink again"),
    "DCGM_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": (COUNTER, "how often NVLink had to begin anew"),
    # Field 238 of DCGM's own header; in none of the exporter's lists, which takes any field that DCGM has.
    "DCGM_FI_DEV_PCIE_LINK_WIDTH": (GAUGE, "lanes of PCIe in use"),
}
OTHERS = ("up", "kube_node_status_allocatable")
"""Metrics of Prometheus itself, and of kube-state-metrics."""

FILE = "dcgm-metrics.csv"
"""The key under which the operator looks in a ConfigMap."""


def counters() -> str:
    """The exporter's list: it takes one list or the other, so its own fields are repeated. Three cells in a row."""
    rows = [f"{name}, {kind}, {about}" for name, (kind, about) in {**DEFAULT, **SWITCHED_ON}.items()]
    return "\n".join(rows) + "\n"


def config_name() -> str:
    """Another one for another list: the operator does not watch what is in it."""
    return f"gpu-ready-metrics-{hashlib.sha256(counters().encode()).hexdigest()[:8]}"
