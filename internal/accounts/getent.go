package accounts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit/internal/answer"
)

// How long one getent may take, and all of a Lookup's together: a directory
// that is down must not hold a command up for minutes.
const (
	programTime = 5 * time.Second
	totalTime   = 15 * time.Second
)

// exitNoKey is getent's exit code for "one or more keys could not be found".
// Every other failure leaves the question open.
const exitNoKey = 2

// run runs getent. With a nil error, missing reports whether some of the keys
// do not exist.
func (l *Lookup) run(ctx context.Context, d *database, keys ...string) (out []Account, missing bool, err error) {
	if l.late != nil {
		return nil, false, l.late
	}
	limit := min(programTime, totalTime-l.spent)
	if limit <= 0 {
		return nil, false, fmt.Errorf("getent %v: no time left, after %v", d.db, totalTime)
	}
	began := time.Now()
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	data, err := l.host.Command(timed, append([]string{"getent", d.db.String()}, keys...)...)
	l.spent += time.Since(began)
	var exit interface{ ExitCode() int }
	switch {
	case ctx.Err() != nil:
		return nil, false, ctx.Err()
	case timed.Err() != nil:
		l.late = fmt.Errorf("getent %v did not answer within %v", d.db, limit.Round(time.Second))
		return nil, false, l.late
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() == exitNoKey && len(keys) > 0:
		missing = true
	default:
		return nil, false, fmt.Errorf("/etc/nsswitch.conf takes the %v database from %s too: %w", d.db, strings.Join(d.others, ", "), err)
	}
	return parse(d.db, "", string(data)), missing, nil
}

// getent looks one key up, a name or a number.
func (l *Lookup) getent(ctx context.Context, d *database, key string) answer.Answer[Account] {
	if a, ok := d.asked[key]; ok {
		return a
	}
	list, missing, err := l.run(ctx, d, key)
	a := d.absent()
	switch {
	case err != nil:
		a = answer.Unknown[Account](err)
	case len(list) > 0:
		a = answer.Found(list[0])
	case !missing: // it found something that is not an account
		a = answer.Unknown[Account](fmt.Errorf("getent %v %s: cannot read its answer", d.db, key))
	}
	if ctx.Err() == nil {
		d.asked[key] = a
	}
	return a
}

// batch is how many keys are asked for with one getent.
const batch = 256

// Ask looks many names or numbers up at once, so that [Lookup.ByName] and
// [Lookup.ByID] need not run a program for each of them.
func (l *Lookup) Ask(ctx context.Context, db DB, keys ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.read(db)
	if len(d.others) == 0 {
		return
	}
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		_, asked := d.asked[key]
		_, named := d.byName[key]
		id, isID := parseID(key)
		_, numbered := d.byID[id]
		return asked || named || isID && numbered || key == "" || len(key) > 256 || key[0] == '-' || strings.ContainsAny(key, ":\n\x00")
	})
	for chunk := range slices.Chunk(keys, batch) {
		list, missing, err := l.run(ctx, d, chunk...)
		if err != nil {
			return // each look-up will report it
		}
		d.learn(chunk, list, missing)
	}
}

// learn records what getent printed for several keys: a line for each one
// found, in order. A line may spell a name differently from the key
// (directories ignore case); then a key without a line of its own stays open,
// unless nothing is missing.
func (d *database) learn(keys []string, list []Account, missing bool) {
	if !missing && len(list) == len(keys) {
		for i, key := range keys {
			d.asked[key] = answer.Found(list[i])
		}
		return
	}
	matched, open := 0, []string(nil)
	for _, key := range keys {
		if matched < len(list) && list[matched].is(key) {
			d.asked[key] = answer.Found(list[matched])
			matched++
			continue
		}
		open = append(open, key)
	}
	if missing && matched == len(list) {
		for _, key := range open {
			d.asked[key] = d.absent()
		}
	}
}

// is reports whether a is what getent looks up under key.
func (a Account) is(key string) bool {
	id, ok := parseID(key)
	return a.Name == key || ok && a.ID == id
}

// ErrUnlisted: a directory answers for single accounts, and does not list them.
var ErrUnlisted = errors.New("getent lists none of theirs, as where enumeration is switched off")

// list asks for the accounts of the sources other than files.
func (l *Lookup) list(ctx context.Context, d *database) ([]Account, error) {
	all, _, err := l.run(ctx, d)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(a Account) bool {
		i, ok := d.byName[a.Name]
		return ok && d.list[i].ID == a.ID
	})
	directories := slices.DeleteFunc(slices.Clone(d.others), func(s string) bool { return s == "systemd" })
	if len(all) == 0 && len(directories) > 0 {
		return nil, fmt.Errorf("/etc/nsswitch.conf takes the %v database from %s too, and %w",
			d.db, strings.Join(directories, ", "), ErrUnlisted)
	}
	return all, nil
}
