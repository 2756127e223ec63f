//go:build linux

// Cmd measures usernskit next to its peers and prints the table as Markdown.
// Without root, the rows that need it are left out.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/usernskit/usernskit/internal/peerbench"
)

func main() {
	if len(os.Args) > 2 && os.Args[1] == peerbench.OneFlag {
		if err := peerbench.RunOne(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, "peerbench:", err)
			os.Exit(1)
		}
		return
	}
	rounds := flag.Int("rounds", 15, "how often the sides of a row take turns")
	batch := flag.Duration("batch", 20*time.Millisecond, "how long a turn is")
	only := flag.String("run", "", "rows whose work matches this regular expression")
	remapctl := flag.String("remapctl", "", "the program to measure; built from this tree if empty")
	flag.Parse()
	b := bench{rounds: *rounds, batch: *batch, only: regexp.MustCompile(*only), out: os.Stdout}
	if err := start(b, *remapctl); err != nil {
		fmt.Fprintln(os.Stderr, "peerbench:", err)
		os.Exit(1)
	}
}

// start builds remapctl and measures: for root, in a mount namespace of its own.
func start(b bench, remapctl string) error {
	if dir := peerbench.PrivateDir(); dir != "" {
		if err := peerbench.Private(dir); err != nil {
			return err
		}
		b.dir, b.remapctl, b.private = dir, filepath.Join(dir, "remapctl"), true
		return b.print()
	}
	dir, err := os.MkdirTemp("", "peerbench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.dir, b.remapctl = dir, filepath.Join(dir, "remapctl")
	if err := install(remapctl, b.remapctl); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return peerbench.Private(dir)
	}
	return b.print()
}

// install puts remapctl where it is measured: the one given, or a new one.
func install(from, to string) error {
	cmd := exec.Command("go", "build", "-o", to, "./examples/remapctl")
	cmd.Dir = filepath.Join("..", "..")
	if from != "" {
		cmd = exec.Command("cp", from, to)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", cmd, err, out)
	}
	return nil
}

type bench struct {
	rounds   int
	batch    time.Duration
	only     *regexp.Regexp
	dir      string // for files, gone afterwards
	remapctl string
	private  bool // /etc may be written to
	out      io.Writer

	results []peerbench.Result
	notes   []string
}

func (b *bench) print() error {
	start := time.Now()
	if err := b.measure(); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "%s, %s, %s, %d rounds of %v.\n%s\n\n", start.Format("2006-01-02"),
		runtime.Version(), machine(), b.rounds, b.batch, b.noise())
	peerbench.Table(b.out, b.results)
	fmt.Fprintln(b.out)
	for _, n := range b.notes {
		fmt.Fprintln(b.out, "*", n)
	}
	return nil
}

func (b *bench) measure() error {
	files := filepath.Join(b.dir, "files")
	if err := os.Mkdir(files, 0o755); err != nil {
		return err
	}
	b.add("parse subuid", func() ([]peerbench.Row, error) { return peerbench.ParseRows(files, 65e3, 1e6) })
	b.add("ranges of one owner", func() ([]peerbench.Row, error) { return peerbench.OwnerRows(files, 65e3, 1e6) })
	b.add("find a free range", func() ([]peerbench.Row, error) { return peerbench.FindRows(files, 1e3, 65e3) })
	b.add("translate an ID", func() ([]peerbench.Row, error) { return peerbench.TranslateRows(1, 340) })
	b.scan()
	if b.only.MatchString("truth") {
		b.notes = append(b.notes, peerbench.Truth()...)
	}
	b.programs()
	return nil
}

// scan looks at a /proc with many processes.
func (b *bench) scan() {
	const work, processes = "scan /proc", 3000
	if !b.only.MatchString(work) {
		return
	}
	s, err := peerbench.StartSleepers(processes, processes/50)
	if err != nil {
		b.failed(err)
		return
	}
	defer s.Stop()
	b.add(work, func() ([]peerbench.Row, error) { return []peerbench.Row{peerbench.ScanRow(s, processes)}, nil })
}

// add measures rows, if -run asks for them. A row that cannot be measured gets a
// note below the table.
func (b *bench) add(work string, rows func() ([]peerbench.Row, error)) {
	if !b.only.MatchString(work) {
		return
	}
	list, err := rows()
	b.failed(err)
	for _, r := range list {
		fmt.Fprintln(os.Stderr, r.Work, r.Size)
		result, err := peerbench.Measure(r, b.rounds, b.batch)
		if err == nil {
			b.results = append(b.results, result)
		}
		b.failed(err)
	}
}

func (b *bench) failed(err error) {
	if err != nil {
		b.notes = append(b.notes, "not measured: "+strings.TrimSpace(err.Error()))
	}
}

// programs measures remapctl as a process.
func (b *bench) programs() {
	note := func(text string, err error) {
		if err == nil {
			b.notes = append(b.notes, text)
		}
		b.failed(err)
	}
	if b.only.MatchString("remapctl plan") {
		note(peerbench.PlanNote(b.dir, b.remapctl, 65000, b.rounds))
	}
	if b.only.MatchString("remapctl verify") {
		note(peerbench.VerifyNote(b.remapctl, 200, b.rounds))
	}
	if b.private && b.only.MatchString("move the owners") {
		notes, err := peerbench.ShiftNotes(b.dir, b.remapctl, 1e5, b.rounds)
		b.notes = append(b.notes, notes...)
		b.failed(err)
	}
	if b.private { // last: it leaves 65,000 lines behind
		b.add("allocate, as programs", func() ([]peerbench.Row, error) {
			row, err := peerbench.AllocateRow(b.remapctl, 65e3)
			return []peerbench.Row{row}, err
		})
	}
}

// noise reports how far turns of the same code were apart.
func (b *bench) noise() string {
	var worst, sum float64
	for _, r := range b.results {
		off := max(r.Again, 1/r.Again) - 1
		worst, sum = max(worst, off), sum+off
	}
	if len(b.results) == 0 {
		return ""
	}
	return fmt.Sprintf("Noise: usernskit next to itself in the same rounds is off by %.0f %% in the mean of the rows and %.0f %% in the worst, by the median.",
		100*sum/float64(len(b.results)), 100*worst)
}

func machine() string {
	model := runtime.GOARCH
	if f, err := os.Open("/proc/cpuinfo"); err == nil {
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "model name"); ok {
				model = strings.Trim(name, "\t :")
				break
			}
		}
	}
	return fmt.Sprintf("%d CPUs (%s)", runtime.NumCPU(), model)
}
