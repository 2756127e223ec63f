package usernskit

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"time"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// A record is what the journal has of one plan: "ID.json", which is written
// again as the plan comes further, and "ID.data" with the contents of its
// files, written once. Its JSON form is read by later versions: fields may be
// added, and keep their meaning.
type record struct {
	Schema   int
	ID       string
	Time     time.Time
	Title    string
	State    State
	Files    []fileRecord
	Checksum uint32   // of "ID.data"
	Dirs     []string // directories made, on the host, the outermost first
	Actions  []Action
}

// A fileRecord is what happened to one file, in the order of writing.
type fileRecord struct {
	Path          string
	Before, After *content // nil: no file
	Meta          hostfs.Meta
	Lock          Lock
	Backup        bool     // the copy that shadow-utils keep, not asked for by the plan
	Litter        []string // names that look like our temporary files and were there before
}

// A content is what a file holds, and where "ID.data" has it. Two files may
// have the same one: the backup of a file holds what the file held.
type content struct {
	At, Size int // in bytes
	data     []byte
}

// contentOf keeps an empty file apart from a missing one, for which data is nil.
func contentOf(data []byte) *content {
	if data == nil {
		return nil
	}
	return &content{Size: len(data), data: data}
}

// bytes returns nil for a file that is missing, and only then.
func (c *content) bytes() []byte {
	if c == nil {
		return nil
	}
	return c.data
}

// contents returns all that the files of the record hold, each once.
func (r *record) contents() []*content {
	var list []*content
	known := map[*content]bool{nil: true}
	for _, f := range r.Files {
		for _, c := range []*content{f.Before, f.After} {
			if !known[c] {
				known[c] = true
				list = append(list, c)
			}
		}
	}
	return list
}

// place gives the contents of a new record their places in "ID.data", and
// returns how many bytes that is to have.
func (r *record) place() int {
	size := 0
	for _, c := range r.contents() {
		c.At = size
		size += c.Size
	}
	return size
}

// unpack takes the contents from what "ID.data" holds, and reports whether it
// is that: each content behind the one before, or one that was there already,
// up to the end.
func (r *record) unpack(data []byte) bool {
	size := 0
	known := map[[2]int]bool{}
	for _, c := range r.contents() {
		if c.At == size && c.Size >= 0 && c.Size <= len(data)-size {
			size += c.Size
		} else if !known[[2]int{c.At, c.Size}] {
			return false
		}
		known[[2]int{c.At, c.Size}] = true
		c.data = data[c.At : c.At+c.Size : c.At+c.Size]
	}
	return size == len(data) && r.Checksum == checksum(data)
}

// checksum is CRC-32C, which tells damage, and takes next to no time.
func checksum(data []byte) uint32 { return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)) }

func recordPath(id string) string   { return path.Join(journalDir, id+".json") }
func contentsPath(id string) string { return path.Join(journalDir, id+".data") }

// maxContents bounds "ID.data": before and after of a few files of
// [MaxFileSize].
const maxContents = 16 * MaxFileSize

// head reads a record without the contents of its files.
func (h Host) head(id string) (record, error) {
	name := recordPath(id)
	data, err := h.ReadFile(name)
	if err != nil {
		return record{}, err
	}
	var first struct { // what records of all forms have
		Schema int
		ID     string
	}
	if err = json.Unmarshal(data, &first); err == nil && (first.Schema != schema || first.ID != id) {
		return record{}, &FileError{File: name, Err: errors.New("written by another version of usernskit, or renamed: use the version that wrote it")}
	}
	var r record
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		return record{}, &FileError{File: name, Err: fmt.Errorf("not a journal of this program: %w", err)}
	}
	return r, nil
}

// schema tells the form of records. Form 1 was never released.
const schema = 2

// record reads one whole record.
func (h Host) record(id string) (record, error) {
	r, err := h.head(id)
	if err != nil {
		return record{}, err
	}
	data, err := hostfs.Root(h.Root).ReadFile(contentsPath(id), maxContents)
	if err != nil {
		return record{}, err
	}
	if !r.unpack(data) {
		return record{}, &FileError{File: contentsPath(id), Err: fmt.Errorf("damaged, or not the one that belongs to %s", recordPath(id))}
	}
	return r, nil
}

// begin writes a new record: the contents first, so that a record that can be
// read is whole.
func (a *applier) begin(r *record) error {
	size := r.place()
	if size > maxContents {
		return fmt.Errorf("%w: the files of this plan have %d bytes together, before and after, and undo reads %d", ErrTooLarge, size, maxContents)
	}
	data := make([]byte, 0, size)
	for _, c := range r.contents() {
		data = append(data, c.data...)
	}
	r.Checksum = checksum(data)
	err := a.writer("journal: contents: ").Replace(contentsPath(r.ID), nil, data, hostfs.NewMeta(0o600))
	switch {
	case errors.Is(err, ErrChanged): // not a sign to plan again, see journalError
		return fmt.Errorf("journal: %s is in the way and cannot be removed", contentsPath(r.ID))
	case err != nil:
		return journalError(err)
	}
	return a.keep(*r)
}

// keep writes how far the record has come, whole and on the disk.
func (a *applier) keep(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("BUG: journal: %w", err)
	}
	name := recordPath(r.ID)
	if len(data) > MaxFileSize {
		return journalError(fmt.Errorf("%s: %w: it would have more than %d bytes", name, ErrTooLarge, MaxFileSize))
	}
	before, err := a.host.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return journalError(err)
	}
	return journalError(a.writer("journal: ").Replace(name, before, data, hostfs.NewMeta(0o600)))
}

// journalError says that it is the journal that cannot be written. That of a
// plan's files one has changed is another matter: then [Host.Update] would plan
// again, and meet the same.
func journalError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrChanged):
		return fmt.Errorf("journal: %v", err)
	}
	return fmt.Errorf("journal: %w", err)
}

// drop removes the record of a plan that was rolled back, and then what no
// record tells of any more.
func (a *applier) drop(r record) error {
	w := a.writer("journal: ")
	for _, name := range []string{recordPath(r.ID), contentsPath(r.ID)} {
		before, err := w.Root.ReadFile(name, maxContents)
		if err == nil {
			err = w.Remove(name, before)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
