module gpu-ready/lab/real/hosts/standins

go 1.22
