// Tenants gives each name its own range, all or none. Several may run at once.
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/subid"
)

func main() {
	ctx := context.Background()
	host := usernskit.Host{Root: os.Args[1]}
	var want []subid.Request
	for _, name := range os.Args[2:] {
		want = append(want, subid.Request{Owner: name})
	}
	var grants []subid.Grant
	_, err := host.Update(ctx, func() (plan usernskit.Plan, err error) {
		grants, plan, err = subid.PlanAll(ctx, host, want...)
		return plan, err
	})
	if err != nil {
		log.Fatal(err)
	}
	for i, g := range grants {
		fmt.Println(want[i].Owner, g.UID)
	}
}
