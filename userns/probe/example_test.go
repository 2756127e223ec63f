package probe_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/usernskit/usernskit/userns"
	"github.com/usernskit/usernskit/userns/probe"
)

func ExampleMapping() {
	m, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	if err := probe.Mapping(context.Background(), userns.Mapping{UID: m, GID: m}); err != nil {
		fmt.Println(err)
	}
}

func ExampleHelper_Access() {
	helper := probe.Main() // the first call in main

	m, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	www := probe.Credential{UID: 33, GID: 33}
	answers, err := helper.Access(context.Background(), userns.Mapping{UID: m, GID: m}, www, "/srv/www")
	if err != nil {
		fmt.Println(err)
	}
	for _, a := range answers {
		fmt.Println(a.Path, a.Read, a.Write)
	}
}

func ExampleError() {
	var err error = &probe.Error{Step: "create the namespace", Err: errors.New("no space left on device"),
		Cause: "user.max_user_namespaces is 0: no user namespace may be created", Remedy: "sysctl -w user.max_user_namespaces=15000"}
	perr := &probe.Error{}
	if errors.As(err, &perr) {
		fmt.Println(perr)
		fmt.Println(perr.Remedy)
	}
	// Output:
	// create the namespace: no space left on device: user.max_user_namespaces is 0: no user namespace may be created
	// sysctl -w user.max_user_namespaces=15000
}
