package docker_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/usernskit/usernskit/verify"
	"github.com/usernskit/usernskit/verify/docker"
)

func ExampleRead() {
	engine, err := docker.Read(context.Background(), "unix:///no/such.sock")
	switch {
	case errors.Is(err, verify.ErrDown):
		fmt.Println("no daemon there")
	case err != nil:
		fmt.Println("cannot ask it:", err)
	default:
		fmt.Println("remaps:", engine.Remaps())
	}
	// Output: no daemon there
}
