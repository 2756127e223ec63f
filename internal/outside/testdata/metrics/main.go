// Metrics prints what a node agent would export about subordinate IDs.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg"
	"github.com/usernskit/usernskit/subid"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	host := usernskit.Host{Root: os.Args[1]}
	set, err := subid.Read(ctx, host)
	if err != nil {
		log.Fatal(err)
	}
	problems, err := set.Problems(ctx)
	if err != nil {
		log.Fatal(err)
	}
	count := map[subid.ProblemID]int{}
	for _, p := range problems {
		count[p.ID]++
	}
	for id, n := range count {
		fmt.Printf("usernskit_subid_problems{id=%q} %d\n", id, n)
	}
	var held uint64
	for c := range set.UID.Ranges() {
		held += uint64(c.Range.Count)
	}
	fmt.Printf("usernskit_subid_held_ids %d\n", held)
	doc, err := daemoncfg.Read(ctx, host)
	if err != nil {
		log.Fatal(err)
	}
	on := 0
	if doc.Setting().Remap != (daemoncfg.Remap{}) {
		on = 1
	}
	fmt.Printf("usernskit_remap_configured %d\n", on)
}
