package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/usernskit/usernskit/shift"
)

// A meter shows at a terminal how far a job is, its pace and the time that is left,
// unless the job ends within an interval. With --json it writes a line at once and
// one for each interval.
type meter struct {
	w           io.Writer
	json        bool
	every       time.Duration
	lock        sync.Mutex
	start, last time.Time
	shown       bool
}

// metered returns do with a meter for it.
func (e *env) metered(do func(at func(shift.Progress)) error) func() error {
	return func() error {
		m := e.meter()
		defer m.end()
		return do(m.at)
	}
}

// meter returns a meter that begins now, or nil if nobody would read it.
func (e *env) meter() *meter {
	if !e.json && !terminal(e.err) {
		return nil
	}
	m := &meter{w: e.err, json: e.json, every: time.Second, start: time.Now()}
	if !m.json {
		m.last = m.start
	}
	return m
}

// at shows the progress p, once an interval.
func (m *meter) at(p shift.Progress) {
	if m == nil {
		return
	}
	m.lock.Lock()
	defer m.lock.Unlock()
	now := time.Now()
	if now.Sub(m.last) < m.every {
		return
	}
	m.last = now
	files, total := p.Files, p.Total
	pace := float64(files) / max(now.Sub(m.start).Seconds(), 1e-9)
	var left *int // seconds; nil if unknown
	if total >= files && files > 0 {
		left = new(int(float64(total-files)/pace + 0.5))
	}
	if m.json {
		line, _ := json.Marshal(members{"files": files, "total": total, "files_per_second": int(pace), "seconds_left": left})
		fmt.Fprintf(m.w, "{\"schema\":1,\"progress\":%s}\n", line)
		return
	}
	m.shown = true
	text := fmt.Sprintf("%d files, %d/s", files, int(pace))
	if left != nil {
		text = fmt.Sprintf("%d of %d files, %d/s, %v left", files, total, int(pace), time.Duration(*left)*time.Second)
	}
	fmt.Fprintf(m.w, "\r%s\x1b[K", text)
}

// end takes the line off the terminal.
func (m *meter) end() {
	if m != nil && m.shown {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}
