//go:build linux

package e2e

import (
	"os"
	"testing"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns/probe"
)

// helper is what verify asks from inside a container's namespace with.
var helper probe.Helper

func TestMain(m *testing.M) {
	helper = probe.Main()
	hosttest.Alone()
	os.Exit(m.Run())
}
