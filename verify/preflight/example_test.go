package preflight_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/preflight"
)

// image writes the files of a host that is prepared in a directory.
func image(daemonJSON string) usernskit.Host {
	root, err := os.MkdirTemp("", "image")
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(root, 0o755); err != nil {
		panic(err)
	}
	for name, text := range map[string]string{
		"etc/passwd":             "root:x:0:0::/root:/bin/sh\ndockremap:x:998:998::/:/bin/false\n",
		"etc/group":              "root:x:0:\ndockremap:x:998:\n",
		"etc/subuid":             "dockremap:165536:65536\n",
		"etc/subgid":             "dockremap:165536:65536\n",
		"etc/docker/daemon.json": daemonJSON,
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			panic(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			panic(err)
		}
	}
	return usernskit.Host{Root: root}
}

// The facts about containers come from a function, in programs that of package
// verify/docker, so that a forecast can also be made of a host that is not here.
func ExampleRun() {
	host := image(`{"userns-remap": "default"}`)
	defer os.RemoveAll(host.Root)

	forecast, err := preflight.Run(context.Background(), preflight.Options{
		Host: host,
		Docker: func(context.Context) (*engine.Engine, error) {
			return &engine.Engine{
				RootDir:    "/var/lib/docker",
				Containers: []engine.Container{{ID: "1", Name: "proxy", Network: "host"}},
				Volumes:    []engine.Volume{{Name: "letters"}},
			}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = forecast.WriteText(os.Stdout)
	// Output:
	// Will not start:
	//   proxy  --network=host: cannot share the host's network namespace when user namespaces are enabled
	//       --publish its ports, or --userns=host (compose: userns_mode: "host")
	// Will disappear until remapping is turned off again:
	//   1 container (0 running), to be created again: proxy
	//   1 volume, and a new and empty one takes its name: letters
	//       all of it stays in /var/lib/docker; delete nothing there that you have no copy of
}
