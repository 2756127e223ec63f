package userns_test

import (
	"archive/tar"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit/userns"
)

func ExampleNewMap() {
	m, err := userns.NewMap(
		userns.Extent{ID: 0, HostID: 100000, Count: 65536},
		userns.Extent{ID: 65536, HostID: 300000, Count: 1000},
	)
	if err != nil {
		panic(err)
	}
	fmt.Println(m.ToHost(33))
	fmt.Println(m.ToContainer(300005))
	fmt.Println(m.ToHost(70000))

	_, err = userns.NewMap(userns.Extent{ID: 0, HostID: 4294967290, Count: 65536})
	fmt.Println(err)
	// Output:
	// 100033 true
	// 65541 true
	// 0 false
	// extent 1 (0 4294967290 65536) reaches past 4294967294 on the host
}

func ExampleParseMap() {
	m, err := userns.ParseMap("/proc/70/uid_map", []byte("         0     100000      65536\n"))
	fmt.Println(m, err)

	// The kernel itself would take this for "0 0 1": root is root.
	_, err = userns.ParseMap("uid_map", []byte("0 4294967296 1\n"))
	fmt.Println(err)
	// Output:
	// 0 100000 65536 <nil>
	// uid_map:1:3: not a valid ID map: "4294967296" is more than 4294967295
}

func ExampleMap_HostRanges() {
	m, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 1000}, userns.Extent{ID: 1000, HostID: 200000, Count: 1000})
	for _, r := range m.HostRanges(998, 4) {
		fmt.Printf("%d-%d are %d-%d on the host\n", r.ID, r.ID+r.Count-1, r.HostID, r.HostID+r.Count-1)
	}
	// Output:
	// 998-999 are 100998-100999 on the host
	// 1000-1001 are 200000-200001 on the host
}

func ExampleMap_Compose() {
	outer, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	inner, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 1000, Count: 10}) // as the outer container sees it
	host, err := inner.Compose(outer)
	fmt.Println(host, err)
	// Output: 0 101000 10 <nil>
}

func ExampleFromIDMaps() {
	m, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	fmt.Printf("%+v\n", m.IDMaps())
	back, err := userns.FromIDMaps(m.IDMaps())
	fmt.Println(back.Equal(m), err)
	_, err = userns.FromIDMaps(nil) // "every ID is itself" there, nothing here
	fmt.Println(err)
	// Output:
	// [{ID:0 ParentID:100000 Count:65536}]
	// true <nil>
	// not a valid ID map: no extent
}

func ExampleParseCgroup() {
	id := strings.Repeat("0123abcd", 8)
	c := userns.ParseCgroup([]byte("0::/system.slice/docker-" + id + ".scope\n"))
	fmt.Println(c.Runtime, c.ContainerID[:12])
	// Output: docker 0123abcd0123
}

func ExampleProcess_Outside() {
	m, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 100000, Count: 65536})
	want := userns.Mapping{UID: m, GID: m}

	// In a namespace, with a map, and root of the host all the same.
	own, _ := userns.NewMap(userns.Extent{ID: 0, HostID: 0, Count: 1})
	p := userns.Process{PID: 4711, UserNS: 4026532288, Mapping: userns.Mapping{UID: own, GID: own}}
	fmt.Println(p.Outside(want))
	// Output: [0] [0]
}

// A file of an image gets the owner that it has in a remapped container.
func ExampleMapping_ToHost() {
	ids, err := userns.NewMap(userns.Extent{ID: 0, HostID: 165536, Count: 65536})
	if err != nil {
		panic(err)
	}
	m := userns.Mapping{UID: ids, GID: ids}
	h := tar.Header{Name: "www/index.html", Uid: 33, Gid: 33}
	h.Uid, h.Gid, err = m.ToHost(h.Uid, h.Gid)
	fmt.Println(h.Uid, h.Gid, err)
	_, _, err = m.ToHost(-1, 0)
	fmt.Println(err != nil)
	// Output:
	// 165569 165569 <nil>
	// true
}
