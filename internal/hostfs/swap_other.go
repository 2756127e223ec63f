//go:build !linux

package hostfs

import "github.com/google/renameio/v2"

// swap puts temp under the name real.
func (w Writer) swap(temp *renameio.PendingFile, real string, before []byte) error {
	return temp.CloseAtomicallyReplace()
}
