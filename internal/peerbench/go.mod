module github.com/usernskit/usernskit/internal/peerbench

go 1.26.0

replace github.com/usernskit/usernskit => ../..

require (
	github.com/moby/sys/user v0.5.0
	github.com/prometheus/procfs v0.23.0
	github.com/rootless-containers/rootlesskit/v3 v3.3.0
	github.com/stretchr/testify v1.12.1
	github.com/tailscale/hujson v0.0.0-20260727124030-b80ff77dac4f
	github.com/tidwall/sjson v1.2.9
	github.com/u-root/u-root v0.16.0
	github.com/usernskit/usernskit v0.0.0
	go.podman.io/storage v1.65.0
	golang.org/x/sys v0.50.0
)

require (
	github.com/aymanbagabas/go-udiff v0.4.1 // indirect
	github.com/cyphar/filepath-securejoin v0.7.0 // indirect
	github.com/docker/go-units v0.5.0 // indirect
	github.com/google/renameio/v2 v2.0.2 // indirect
	github.com/moby/sys/mountinfo v0.7.3 // indirect
	github.com/sirupsen/logrus v1.10.2 // indirect
	github.com/tidwall/gjson v1.20.2 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.3.0 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	mvdan.cc/sh/v3 v3.14.1 // indirect
)
