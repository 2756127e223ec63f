package shift

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit/internal/hostfs"
)

// The journal of a job is two files: its Job, replaced whole, and the records of
// its special files, one line of JSON each, which only grow while it runs.

// journalPath is named after the path of the directory relative to the journal, so
// that the file is found again if both are mounted elsewhere.
func journalPath(state, dir, kind string) string {
	if rel, err := filepath.Rel(state, dir); err == nil { // an error: a state that is not absolute
		dir = rel
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(state, hex.EncodeToString(sum[:8])+kind)
}

// maxJob bounds the bytes of a job's file, whose maps may have 340 lines each.
const maxJob = 1 << 20

func load(state, dir string) (job Job, err error) {
	name := journalPath(state, dir, ".json")
	data, err := hostfs.Root("").ReadFile(name, maxJob)
	if errors.Is(err, fs.ErrNotExist) {
		return Job{}, fmt.Errorf("%w: %s", ErrNoJob, dir)
	}
	if err != nil {
		return Job{}, err
	}
	if err := json.Unmarshal(data, &job); err != nil {
		return Job{}, fmt.Errorf("%s: %w", name, err)
	}
	if job.Schema != 1 || job.State != StateRunning && job.State != StateDone {
		return Job{}, fmt.Errorf("%s: not the journal of a job for %s", name, dir)
	}
	job.Dir, job.Options.State = dir, state
	return job, nil
}

// save replaces the file of the job and syncs it.
func (j Job) save() error {
	state := j.stateDir()
	if err := os.MkdirAll(state, 0o700); err != nil {
		return err
	}
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	name := journalPath(state, j.Dir, ".json")
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(name+".new", name)
	}
	if err == nil {
		err = hostfs.SyncDir(state)
	}
	return err
}

// An inode tells a file from all others, also from a later file with the same inode
// number.
type inode struct {
	Inode uint64 `json:"inode"`
	Born  int64  `json:"born,omitempty"` // in nanoseconds; 0 where the file system does not say
}

// A record is what a special file may lose when its owner changes, as it was before.
type record struct {
	Path []byte `json:"path"` // below the directory
	inode
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Mode  uint32 `json:"mode"`            // the permission bits
	Cap   []byte `json:"cap,omitempty"`   // security.capability
	Flags uint32 `json:"flags,omitempty"` // those of FS_IOC_GETFLAGS that were cleared
}

// openRecords opens the list of a job's records for appending. A job that was begun
// has one.
func (j Job) openRecords() (*os.File, error) {
	if err := os.MkdirAll(j.stateDir(), 0o700); err != nil {
		return nil, err
	}
	flags := os.O_WRONLY | os.O_APPEND
	if j.State != StateRunning {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(journalPath(j.stateDir(), j.Dir, ".special"), flags, 0o600)
	if err != nil {
		return nil, err
	}
	// A line that a kill cut off must not run into the next one.
	_, err = f.Write([]byte("\n"))
	if err == nil {
		err = errors.Join(f.Sync(), hostfs.SyncDir(j.stateDir()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// addRecords appends records to the list and syncs it.
func addRecords(file *os.File, list []record) error {
	var text []byte
	for _, rec := range list {
		line, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	if _, err := file.Write(text); err != nil {
		return err
	}
	return file.Sync()
}

// eachRecord calls do for each record of a job. It skips a line that a kill cut off:
// the file of that record was not touched yet.
func (j Job) eachRecord(do func(record) error) error {
	f, err := os.Open(journalPath(j.stateDir(), j.Dir, ".special"))
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewReader(f)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !bytes.HasSuffix(line, []byte("}\n")) {
			continue
		}
		var rec record
		if err := json.Unmarshal(line, &rec); err != nil {
			return fmt.Errorf("%s is damaged: %w", f.Name(), err)
		}
		if err := do(rec); err != nil {
			return err
		}
	}
}
