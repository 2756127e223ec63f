package subid

import (
	"context"
	"fmt"
	"strings"

	"github.com/usernskit/usernskit"
)

// FromNSS asks getsubids(1) for the ranges of an owner, which come from the
// source that nsswitch.conf(5) names for subid, or else from the files as the
// host's own shadow-utils reads them. dockerd asks no such source.
func FromNSS(ctx context.Context, h usernskit.Host, owner string) (uid, gid []Range, err error) {
	if err := checkOwner(owner); err != nil {
		return nil, nil, err
	}
	out, err := h.Command(ctx, "getsubids", owner)
	if err != nil {
		return nil, nil, err
	}
	if uid, err = parseGetsubids(string(out)); err != nil {
		return nil, nil, err
	}
	if out, err = h.Command(ctx, "getsubids", "-g", owner); err != nil {
		return nil, nil, err
	}
	if gid, err = parseGetsubids(string(out)); err != nil {
		return nil, nil, err
	}
	return uid, gid, nil
}

// parseGetsubids reads lines such as "0: alice 100000 65536". The owner may
// hold blanks.
func parseGetsubids(text string) ([]Range, error) {
	var list []Range
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 {
			return nil, fmt.Errorf("getsubids: cannot read its line %q", line)
		}
		r := strict("owner:" + strings.Join(fields[len(fields)-2:], ":"))
		if r.Count == 0 {
			return nil, fmt.Errorf("getsubids: not a range of IDs: %q", line)
		}
		list = append(list, r)
	}
	return list, nil
}
