package preflight_test

import (
	"context"
	"fmt"
	"os"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/verify/engine"
	"github.com/usernskit/usernskit/verify/preflight"
)

// The facts about containers come from a function, in programs that of package
// verify/docker, so that a forecast can also be made of a host that is not here.
func ExampleRun() {
	host := hosttest.Image(`{"userns-remap": "default"}`)
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
