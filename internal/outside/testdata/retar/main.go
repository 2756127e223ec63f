// Retar moves the owners of a tar stream into a container's range.
package main

import (
	"archive/tar"
	"errors"
	"io"
	"log"
	"os"

	"github.com/usernskit/usernskit/userns"
)

func main() {
	file, err := os.ReadFile(os.Args[1]) // as /proc/PID/uid_map
	if err != nil {
		log.Fatal(err)
	}
	ids, err := userns.ParseMap(os.Args[1], file)
	if err != nil {
		log.Fatal(err)
	}
	if err := retar(os.Stdout, os.Stdin, userns.Mapping{UID: ids, GID: ids}); err != nil {
		log.Fatal(err)
	}
}

func retar(to io.Writer, from io.Reader, m userns.Mapping) error {
	out, in := tar.NewWriter(to), tar.NewReader(from)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if h.Uid, h.Gid, err = m.ToHost(h.Uid, h.Gid); err != nil {
			return err
		}
		h.Format = tar.FormatPAX // IDs may be large
		if err := out.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(out, in); err != nil {
			return err
		}
	}
}
