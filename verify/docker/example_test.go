package docker_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/usernskit/usernskit/verify/docker"
	"github.com/usernskit/usernskit/verify/engine"
)

func ExampleRead() {
	e, err := docker.Read(context.Background(), "unix:///no/such.sock")
	switch {
	case errors.Is(err, engine.ErrDown):
		fmt.Println("no daemon there")
	case err != nil:
		fmt.Println("cannot ask it:", err)
	default:
		fmt.Println("remaps:", e.Remaps())
	}
	// Output: no daemon there
}
