module github.com/usernskit/usernskit/examples/libcontainer

go 1.26.0

require (
	github.com/opencontainers/runc v1.3.6
	github.com/stretchr/testify v1.12.1
	github.com/usernskit/usernskit v0.0.0
)

require (
	github.com/aymanbagabas/go-udiff v0.4.1 // indirect
	github.com/cyphar/filepath-securejoin v0.7.0 // indirect
	github.com/google/renameio/v2 v2.0.2 // indirect
	github.com/moby/sys/mountinfo v0.7.3 // indirect
	github.com/moby/sys/user v0.5.0 // indirect
	github.com/tidwall/gjson v1.20.2 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.3.0 // indirect
	github.com/tidwall/sjson v1.2.9 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/sys v0.50.0 // indirect
)

replace github.com/usernskit/usernskit => ../..
