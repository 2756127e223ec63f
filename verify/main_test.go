package verify

import (
	"os"
	"testing"

	"github.com/usernskit/usernskit/userns"
)

func TestMain(m *testing.M) {
	userns.Main()
	os.Exit(m.Run())
}
