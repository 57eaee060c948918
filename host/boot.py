"""The text that waits for the first boot of a machine: it holds no value of anybody, so nothing in it is quoted."""

from decide.aws_hosts import JOIN_LOG, JOINED
from decide.host_failures import BY_ID

# A machine at its first boot: first it becomes a node, by a script that is not ours. What that said is root's alone.
BOOT = """\
{{
R=${{GPU_READY_ROOT-}}
[ -e "$R/var/lib/cloud/instance/boot-finished" ] || {{
echo "gpu-ready: not yet: the machine is in its first boot, and joins the cluster" >&2
exit 75
}}
S=$(cat "$R{joined}" 2>/dev/null)
[ "${{S:-{usual}}}" = 0 ] || {{
sudo -n tail -n 5 "$R{log}" >&2
printf 'HST-96 access: {cause} (exit status %s)\nfix: {fix}\n' "${{S:-unknown}}" >&2
exit 3
}}
echo '{{}}'
exit
}}
"""


def boot_text(has_script: bool) -> str:
    """Waits for the end of the first boot; whether it joined, only the script (`has_script`) can say."""
    known = BY_ID["HST-96"]
    told = {"joined": JOINED, "log": JOIN_LOG, "cause": known.cause, "fix": known.fix}
    return BOOT.format(**told, usual="" if has_script else "0")
