package facts

import (
	"os"
	"testing"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns/probe"
)

func TestMain(m *testing.M) {
	probe.Main()
	hosttest.Alone()
	os.Exit(m.Run())
}
