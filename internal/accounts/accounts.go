// Package accounts answers whether a host has an account or a group, and which
// one has an ID. It reads passwd(5) and group(5), and asks getent(1) for the other
// sources that nsswitch.conf(5) names.
//
// An account that a directory does not list still exists, and a getent that
// fails is not a "no": see [answer.Answer].
package accounts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/usernskit/usernskit/internal/answer"
	"github.com/usernskit/usernskit/internal/enum"
)

// A Host is what accounts are read from. usernskit.Host is one.
type Host interface {
	ReadFile(path string) ([]byte, error)
	Command(ctx context.Context, argv ...string) ([]byte, error)
	Live() bool
}

// A DB is one of the two databases, by the name that getent(1) and
// nsswitch.conf(5) use.
type DB = enum.Of[dbNames]

// The databases.
const (
	Passwd DB = iota // users
	Group            // groups
)

type dbNames struct{}

func (dbNames) Names() (string, []string) { return "DB", []string{"passwd", "group"} }

// An Account is an entry of passwd(5) or group(5).
type Account struct {
	Name    string
	ID      uint32   // the UID of a user, the GID of a group
	GID     uint32   // the primary group of a user
	File    string   // "" for an account from getent
	Line    int      // from 1; 0 where there is no File
	Members []string // of a group
}

// A Lookup answers questions about one host. It caches, so it is for one call
// of the library. Several goroutines may use it.
type Lookup struct {
	host Host

	mu    sync.Mutex
	dbs   [2]*database
	spent time.Duration // by getent
	late  error         // a getent did not answer: another would take as long
}

// New returns an empty Lookup.
func New(h Host) *Lookup { return &Lookup{host: h} }

// A database is what is known of passwd or group.
type database struct {
	db      DB
	list    []Account // of the files, in their order
	byName  map[string]int
	byID    map[uint32]int
	gap     error // why there may be more than the files
	others  []string
	asked   map[string]answer.Answer[Account] // by getent's key
	listing *listing
}

// A listing is what getent lists without a key.
type listing struct {
	list []Account
	err  error
}

// ByName looks an account up by its name.
func (l *Lookup) ByName(ctx context.Context, db DB, name string) answer.Answer[Account] {
	if name == "" || strings.ContainsAny(name, ":\n\x00") {
		return answer.Absent[Account]() // not a possible name
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.read(db)
	if i, ok := d.byName[name]; ok {
		return answer.Found(d.list[i])
	}
	switch {
	case len(d.others) == 0:
		return d.absent()
	case strings.HasPrefix(name, "-") || strings.Trim(name, "0123456789") == "":
		return answer.Unknown[Account](fmt.Errorf("getent cannot ask for the name %q", name))
	}
	return l.getent(ctx, d, name)
}

// ByID looks an account up by its number. Where several have it, the first one
// in the file is found.
func (l *Lookup) ByID(ctx context.Context, db DB, id uint32) answer.Answer[Account] {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.read(db)
	if i, ok := d.byID[id]; ok {
		return answer.Found(d.list[i])
	}
	if len(d.others) == 0 {
		return d.absent()
	}
	return l.getent(ctx, d, strconv.FormatUint(uint64(id), 10))
}

// All returns every account of the files, in order, then those that only getent
// lists. The gap is why there may be more; nil means that the list is complete.
func (l *Lookup) All(ctx context.Context, db DB) (list []Account, gap error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.read(db)
	if len(d.others) == 0 {
		return slices.Clip(d.list), d.gap
	}
	if d.listing == nil {
		more, err := l.list(ctx, d)
		if ctx.Err() != nil {
			return slices.Clip(d.list), ctx.Err()
		}
		d.listing = &listing{more, err}
	}
	return append(slices.Clip(d.list), d.listing.list...), errors.Join(d.gap, d.listing.err)
}

// Asks reports whether look-ups ask getent for accounts that the files do not have.
func (l *Lookup) Asks(db DB) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.read(db).others) > 0
}

// Lists reports whether every source that getent asks lists all that it has:
// nss-systemd(8) does, a directory may not.
func (l *Lookup) Lists(db DB) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.read(db).others, func(source string) bool { return source != "systemd" })
}

// HasUseradd reports whether a host has one of the programs by which dockerd makes
// the user dockremap. A tree without any directory of programs counts as having
// one.
func HasUseradd(h interface {
	Stat(path string) (fs.FileInfo, error)
}) (bool, error) {
	programs := false
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin", "/run/current-system/sw/bin"} {
		for _, name := range []string{"", "/useradd", "/adduser"} {
			_, err := h.Stat(dir + name)
			switch {
			case err == nil && name != "":
				return true, nil
			case err == nil:
				programs = true
			case !errors.Is(err, fs.ErrNotExist):
				return false, err
			}
		}
	}
	return !programs, nil
}

// absent is the answer if no source has the account.
func (d *database) absent() answer.Answer[Account] {
	if d.gap != nil {
		return answer.Unknown[Account](d.gap)
	}
	return answer.Absent[Account]()
}

// read reads the files of a database once.
func (l *Lookup) read(db DB) *database {
	if l.dbs[db] != nil {
		return l.dbs[db]
	}
	d := &database{db: db, byName: map[string]int{}, byID: map[uint32]int{}, asked: map[string]answer.Answer[Account]{}}
	l.dbs[db] = d
	main := "/etc/" + db.String()
	data, err := l.host.ReadFile(main)
	d.gap = err
	d.list = parse(db, main, string(data))
	names, err := sources(l.host, db.String())
	d.gap = errors.Join(d.gap, err)
	for _, name := range names {
		switch name {
		case "files":
		case "compat": // the file, and NIS where it has an entry that says so
			text := "\n" + string(data)
			if strings.Contains(text, "\n+") || strings.Contains(text, "\n-") {
				d.others = append(d.others, name)
			}
		case "altfiles":
			path := "/usr/lib/" + db.String()
			data, err := l.host.ReadFile(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				d.gap = errors.Join(d.gap, err)
			}
			d.list = append(d.list, parse(db, path, string(data))...)
		case "systemd":
			// It makes its accounts at run time: a tree does not have them.
			if l.host.Live() {
				d.others = append(d.others, name)
			}
		default:
			d.others = append(d.others, name)
		}
	}
	for i, a := range d.list {
		if _, ok := d.byName[a.Name]; !ok {
			d.byName[a.Name] = i
		}
		if _, ok := d.byID[a.ID]; !ok {
			d.byID[a.ID] = i
		}
	}
	return d
}

// sources returns the sources that nsswitch.conf(5) names for a database, without
// the actions in brackets, as glibc reads it: the last entry counts, its colon may
// be missing, and "#" starts a comment only at the start of a line. If the file or
// the entry is missing there are none, and programs use "files".
func sources(h Host, database string) (list []string, err error) {
	text, err := nsswitch(h)
	for line := range strings.Lines(text) {
		line = strings.TrimLeft(line, blanks)
		end := strings.IndexAny(line, ":"+blanks)
		if end < 0 || line[:end] != database {
			continue
		}
		list = nil
		for rest := strings.TrimLeft(line[end:], ":"+blanks); rest != ""; {
			before, after, action := strings.Cut(rest, "[")
			list = append(list, strings.Fields(before)...)
			if rest = ""; action {
				_, rest, _ = strings.Cut(after, "]")
			}
		}
	}
	return list, err
}

// SubIDPlugin returns the source other than "files" from which shadow-utils takes
// subordinate IDs, or "". Its parser is not the C library's: the first "subid:"
// line with a word counts, and that word only.
func SubIDPlugin(h Host) (string, error) {
	text, err := nsswitch(h)
	const key = "subid:"
	for line := range strings.Lines(text) {
		if len(line) < len(key) || !strings.EqualFold(line[:len(key)], key) {
			continue
		}
		switch words := strings.Fields(line[len(key):]); {
		case len(words) == 0:
		case words[0] == "files":
			return "", err
		default:
			return words[0], err
		}
	}
	return "", err
}

// nsswitch returns the text of nsswitch.conf, which need not exist.
func nsswitch(h Host) (string, error) {
	data, err := h.ReadFile("/etc/nsswitch.conf")
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return string(data), err
}
