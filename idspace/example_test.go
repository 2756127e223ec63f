package idspace_test

import (
	"fmt"
	"os"

	"github.com/usernskit/usernskit/idspace"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/userns"
)

// A host on which dockerd's own allocator has given dockremap alice's range. On
// a real one the set comes from subid.Read, namespaces from userns.FS.Processes.
func Example() {
	set := &subid.Set{
		UID: subid.Parse(subid.UIDFile, []byte("alice:100000:65536\ndockremap:100000:65536\n")),
		GID: subid.Parse(subid.GIDFile, nil),
	}
	web, err := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	if err != nil {
		fmt.Println(err)
		return
	}
	users := idspace.New(idspace.Users, idspace.Sources{
		Set:        set,
		Remap:      "dockremap",
		Namespaces: []idspace.Namespace{{Name: "web", Mapping: userns.Mapping{UID: web}}},
	})

	for _, o := range users.Overlaps {
		fmt.Printf("%v have %v, and both the IDs %d-%d\n", o.Between[0].Names, o.Between[1].Names, o.Start, o.Last())
	}
	for _, m := range users.Describe(100033) {
		fmt.Println(m.Text)
	}
	// Output:
	// [alice] have [dockremap], and both the IDs 100000-165535
	// subordinate UID 33 of alice (subuid line 1), UID 33 in web
	// container UID 33 of dockremap (subuid line 2), UID 33 in web
}

func ExampleSpace_WriteText() {
	set := &subid.Set{
		UID: subid.Parse(subid.UIDFile, []byte("dockremap:100000:65536\nalice:165536:65536\n")),
		GID: subid.Parse(subid.GIDFile, nil),
	}
	users := idspace.New(idspace.Users, idspace.Sources{Set: set, Remap: "dockremap"})
	if err := users.WriteText(os.Stdout, idspace.Text{Width: 72, ASCII: true}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// host UID                                                        inside
	//            : 1 free for the root user
	//            : 999 free for system users
	//            : 59,001 free for login users
	//      60001 |....       systemd-homed and 6 more
	//            : 34,464 free
	//     100000 |#####      dockremap  65,536  subuid line 1
	//            |           <- container 0-65535
	//     165536 |=====      alice  65,536  subuid line 2
	//            : 293,216 free
	//            : 1,878,523,904 free for container ranges of systemd-nspawn
	//            :   and nsresourced
	//            : 268,304,384 free
	// 2147352576 |.....      foreign IDs of systemd  65,536
	//            : 65,536 free
	// 2147483648 |.........  IDs from 2^31 on, which programs with signed
	//            |           numbers get wrong  2,147,483,647
	//
	// . reserved  = subordinate range  # dockerd's range
}

func ExampleTranslate() {
	m, err := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	if err != nil {
		fmt.Println(err)
		return
	}
	id := uint32(33)
	for _, line := range idspace.Translate("web", userns.Mapping{UID: m}, &id).Lines {
		fmt.Println(line)
	}
	// Output: UID 33 in web is 100033 on the host
}
