package facts

import (
	"os"
	"testing"

	"github.com/usernskit/usernskit/internal/hosttest"
	"github.com/usernskit/usernskit/userns"
)

func TestMain(m *testing.M) {
	userns.Main()
	hosttest.Alone()
	os.Exit(m.Run())
}
