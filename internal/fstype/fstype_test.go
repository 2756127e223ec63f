package fstype

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestFileSystems(t *testing.T) {
	for name, c := range map[string]struct {
		remote bool
		idmap  string
	}{
		"nfs4":       {true, "absent"},
		"cifs":       {true, "absent"},
		"gpfs":       {true, "absent"},
		"virtiofs":   {true, "cannot tell: its server or driver decides whether a mount can be idmapped"},
		"fuse":       {true, "cannot tell: its server or driver decides whether a mount can be idmapped"},
		"fuse.sshfs": {true, "cannot tell: its server or driver decides whether a mount can be idmapped"},
		"fuseblk":    {false, "cannot tell: its server or driver decides whether a mount can be idmapped"},
		"ext4":       {false, "5.12"},
		"tmpfs":      {false, "6.3"},
		"overlay":    {false, "absent"},
		"newfs":      {false, "cannot tell: not a file system that is known here"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.remote, Remote(name))
			assert.Equal(t, c.idmap, Idmap(name).String())
		})
	}
}
