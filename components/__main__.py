"""Serves the components to TypeScript, Go, .NET and YAML: `pulumi package add <this folder>`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pulumi.provider.server import main

from components.bare_metal import BareMetalGpuNodes
from components.existing import ExistingGpuNodes
from components.gpu_stack import GpuStack
from components.monitoring import GpuMonitoring
from components.serving import Provider
from components.validation import GpuValidation

COMPONENTS = [BareMetalGpuNodes, ExistingGpuNodes, GpuMonitoring, GpuStack, GpuValidation]

if __name__ == "__main__":
    main(Provider(COMPONENTS, "gpu-ready", None, "0.0.0"), sys.argv[1:])
