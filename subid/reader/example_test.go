package reader_test

import (
	"fmt"

	"github.com/usernskit/usernskit/subid/reader"
)

// A start that shadow-utils read as meant is host root to dockerd.
func ExampleRead() {
	owner := reader.Owner{Name: "dockremap", UID: new(uint32(990))}
	for _, p := range []reader.Program{reader.Shadow418, reader.Dockerd, reader.Dockerd27} {
		list, err := reader.Read(p, "/etc/subuid", "dockremap:0x186a0:65536\n", owner)
		fmt.Println(p, list, err)
	}
	// Output:
	// shadow-utils 4.18 [{1 100000 65536 0}] <nil>
	// dockerd 28 and later [{1 0 65536 0}] <nil>
	// dockerd 27 and earlier [] /etc/subuid:1: dockerd 27 and earlier cannot read this and refuses the whole file: strconv.ParseInt: parsing "0x186a0": invalid syntax
}
