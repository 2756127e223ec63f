package remap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/daemoncfg/dockerd"
	"github.com/usernskit/usernskit/daemoncfg/dockerd/store"
	"github.com/usernskit/usernskit/internal/text"
	"github.com/usernskit/usernskit/shift"
	"github.com/usernskit/usernskit/subid"
	"github.com/usernskit/usernskit/subid/reader"
	"github.com/usernskit/usernskit/userns"
)

// A Migrate selects the volumes to copy into the store that dockerd is configured
// to use.
type Migrate struct {
	// From is the store with the volumes: "plain" for the store of a dockerd that
	// does not remap, or the "UID.GID" of one that does. If empty, it is the plain
	// store if remapping is on, and the only remapped store if it is off.
	From string
	// Volumes are the names of the volumes. If empty, it is all volumes except
	// those that dockerd has named.
	Volumes []string
	// RemoveOld removes the old volumes that equal their copies in every byte. That
	// cannot be undone.
	RemoveOld bool
	// Daemon selects one of several dockerds.
	Daemon dockerd.Choice
}

// IDs of warnings, and the states of a [Volume].
const (
	// RiskRemapChanged: userns-remap names another account so far, and dockerd will
	// no longer see the images, containers and volumes of its store.
	RiskRemapChanged = "remap-changed"
	// RiskVolumeChanged: a copy was written to since it was made. Undo moves it out
	// of the store's volumes and keeps it.
	RiskVolumeChanged = "volume-changed"
	// WarnTakenBack: the owners of a directory are moved back, or a copy is removed
	// because the old volume is the same. It is a risk if nothing is, since the list of
	// what was moved is lost.
	WarnTakenBack = "taken-back"
	// WarnVolumeOutside: files of a volume have owners outside the container's IDs.
	// The copies keep these owners.
	WarnVolumeOutside = "volume-outside"
	// RiskRemoveOld: the old volumes are removed for good.
	RiskRemoveOld = "remove-old"
	// WarnRecreate: something of the old store has to be made again by hand.
	WarnRecreate = "recreate"

	VolumeCopy    = "copy"    // it is to be copied
	VolumeDone    = "done"    // it was copied
	VolumeRefused = "refused" // it cannot be copied; Why says why
)

// volumeLeft is the state of a volume that is not copied, but has to be made again.
// Why says how.
const volumeLeft = "left"

// plainStore is the name of the store of a dockerd that does not remap.
const plainStore = "plain"

// A Migration is a plan to copy volumes. Making it writes nothing.
type Migration struct {
	From    string   `json:"from"` // the directories of the stores
	To      string   `json:"to"`
	Volumes []Volume `json:"volumes"`
	Need    int64    `json:"need"` // bytes that the copies take, at most
	Free    int64    `json:"free"`
	// Seconds estimates how long the copies take, from a sample of the volumes; 0
	// if there is nothing to do.
	Seconds int `json:"seconds"`
	// Plan has the change of the list of copies that [Undo] reads, the commands for
	// all that is not copied, and the warnings.
	Plan usernskit.Plan `json:"-"`

	want     Migrate
	from, to userns.Mapping
	host     usernskit.Host
}

// A Volume is a volume of the old store.
type Volume struct {
	Name   string `json:"name"`
	State  string `json:"state"` // VolumeCopy and so on
	Why    string `json:"why,omitempty"`
	Source string `json:"source"` // the directory of its data
	Target string `json:"target"` // the directory of the copy's data
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
}

// PlanMigrate looks at the volumes of the old store and plans their copies. Where
// there is no room for them, the error matches [shift.ErrNoSpace].
func PlanMigrate(ctx context.Context, h usernskit.Host, want Migrate) (Migration, error) {
	m := Migration{want: want, host: h, Volumes: []Volume{}}
	if err := m.stores(ctx); err != nil {
		return Migration{}, err
	}
	old, err := store.Read(h, m.From)
	if err != nil {
		return Migration{}, err
	}
	if why := old.Unread["Volumes"]; why != "" {
		return Migration{}, errors.New(why)
	}
	before, list, err := readMoved(h)
	if err != nil {
		return Migration{}, err
	}
	for _, name := range want.Volumes {
		if !slices.ContainsFunc(old.Volumes, func(v store.Volume) bool { return v.Name == name }) {
			return Migration{}, fmt.Errorf("%s: %w: there is no volume of this name in %s", name, fs.ErrNotExist, m.From)
		}
	}
	m.Plan.Title = "migrate volumes to " + m.To
	unnamed := 0
	for _, v := range old.Volumes {
		if len(want.Volumes) == 0 && anonymous.MatchString(v.Name) {
			unnamed++
			continue
		}
		if len(want.Volumes) > 0 && !slices.Contains(want.Volumes, v.Name) {
			continue
		}
		vol := Volume{Name: v.Name, Source: v.Mountpoint, Target: path.Join(m.To, "volumes", v.Name, "_data")}
		_, listed := list[vol.Target]
		job, err := m.look(ctx, &vol, v, listed, old.Unread["Volumes/"+v.Name])
		if err != nil {
			return Migration{}, fmt.Errorf("volume %s: %w", v.Name, err)
		}
		if vol.State == VolumeCopy {
			list[vol.Target] = moved{vol.Source, m.from, m.to}
			if job.State != shift.StateDone { // StateDone: by an earlier run that was killed
				m.Need += job.Need
			}
			m.Free = max(m.Free, job.Free)
			m.Seconds += job.Seconds
		}
		m.Volumes = append(m.Volumes, vol)
	}
	m.foreign(old)
	m.recreate(ctx, old)
	if unnamed > 0 {
		m.note("not copied: %s without a name of their own; to copy one, give its hexadecimal name", text.Count(unnamed, "volume", "volumes"))
	}
	if m.Plan.Changes, err = writeMoved(before, list); err != nil {
		return Migration{}, err
	}
	if m.Need > m.Free {
		return Migration{}, fmt.Errorf("%w: the volumes take up to %d bytes, and %s has %d", shift.ErrNoSpace, m.Need, m.To, m.Free)
	}
	if want.RemoveOld {
		m.Plan.Warnings = append(m.Plan.Warnings, usernskit.Warning{ID: RiskRemoveOld, Risk: true,
			Text: "the old volumes are removed for good where their copies are the same"})
	}
	return m, nil
}

// anonymous matches the name that dockerd gives to a volume without a name.
var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Todo returns how many volumes are to be copied, and which cannot be, each with the
// reason.
func (m Migration) Todo() (todo int, refused []string) {
	for _, v := range m.Volumes {
		switch v.State {
		case VolumeCopy:
			todo++
		case VolumeRefused:
			refused = append(refused, "volume "+text.Visible(v.Name)+": "+text.Visible(v.Why))
		}
	}
	return todo, refused
}

// WriteText writes for people what becomes of each volume.
func (m Migration) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "from %s to %s\n", text.Visible(m.From), text.Visible(m.To))
	for _, v := range m.Volumes {
		fmt.Fprintf(&b, "  %-7s  %s", v.State, text.Visible(v.Name))
		if v.State == VolumeCopy {
			fmt.Fprintf(&b, ": %s, %s", text.Count(v.Files, "file", "files"), text.Bytes(v.Bytes))
		}
		if v.Why != "" {
			fmt.Fprintf(&b, ": %s", text.Visible(v.Why))
		}
		b.WriteString("\n")
	}
	if todo, _ := m.Todo(); todo > 0 {
		fmt.Fprintf(&b, "takes up to %s of the %s that are free, and about %v\n", text.Bytes(m.Need), text.Bytes(m.Free), time.Duration(m.Seconds)*time.Second)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// stores finds the two stores and their maps.
func (m *Migration) stores(ctx context.Context) error {
	startup, to, on, err := mapping(ctx, m.host, m.want.Daemon)
	if err != nil {
		return err
	}
	source := m.want.From
	switch {
	case source == "" && on:
		source = plainStore
	case source == "":
		all, err := store.Remapped(m.host, startup.DataRoot)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return fmt.Errorf("remapping is off, and there is no remapped store in %s to copy from", startup.DataRoot)
		}
		if len(all) > 1 {
			return fmt.Errorf("remapping is off, and there are %d remapped stores in %s: the one to copy from has to be named", len(all), startup.DataRoot)
		}
		source = path.Base(all[0])
	}
	m.From, m.To = startup.DataRoot, startup.DataRoot
	if source != plainStore {
		m.From = path.Join(startup.DataRoot, source)
		if m.from, err = m.mapOf(ctx, source); err != nil {
			return err
		}
	}
	if on {
		m.to, m.To = to, path.Join(startup.DataRoot, storeName(to))
	}
	switch {
	case m.From == m.To:
		return fmt.Errorf("%s is the store that dockerd uses by its configuration: there is nothing to copy from", m.From)
	case source == plainStore:
		m.from, err = shift.Identity(m.to)
	case !on:
		m.to, err = shift.Identity(m.from)
	}
	return err
}

// mapOf finds the map of a remapped store. Its name is only the host's IDs of
// container root; the map is that of an account with these IDs.
func (m *Migration) mapOf(ctx context.Context, name string) (userns.Mapping, error) {
	set, err := subid.Read(ctx, m.host)
	if err != nil {
		return userns.Mapping{}, err
	}
	owners := map[string]bool{}
	for c := range set.UID.Ranges() {
		owners[c.Owner] = true
	}
	var known userns.Mapping
	for _, owner := range slices.Sorted(maps.Keys(owners)) {
		found, err := mapped(set, reader.Dockerd, owner)
		if err != nil || storeName(found) != name {
			continue
		}
		if !known.IsZero() && !known.Equal(found) {
			return userns.Mapping{}, fmt.Errorf("several accounts have the IDs of the store %s, and not as many of them (%s and %s), so how many it has is not known", name, hostIDs(known), hostIDs(found))
		}
		known = found
	}
	if !known.IsZero() {
		return known, nil
	}
	return userns.Mapping{}, fmt.Errorf("%w: no account of %s and %s has the IDs of the store %s, so how many it has is not known", ErrNoRanges, subid.UIDFile, subid.GIDFile, name)
}

// look decides what to do with a volume.
func (m *Migration) look(ctx context.Context, vol *Volume, v store.Volume, listed bool, unread string) (shift.Job, error) {
	refuse := func(format string, args ...any) (shift.Job, error) {
		vol.State, vol.Why = VolumeRefused, fmt.Sprintf(format, args...)
		return shift.Job{}, nil
	}
	if unread != "" {
		return refuse("%s", unread)
	}
	if v.Options != nil {
		vol.State, vol.Why = volumeLeft, "its data is elsewhere, or dockerd counts it: make it again with the same options, docker volume create"
		for _, key := range []string{"type", "o", "device"} {
			if v.Options[key] != "" {
				vol.Why += fmt.Sprintf(" --opt %s=%s", key, v.Options[key])
			}
		}
		vol.Why += " " + v.Name
		return shift.Job{}, nil
	}
	target, err := m.host.ReadDir(vol.Target)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return shift.Job{}, err
	}
	into := path.Join(m.staged(v.Name), "_data")
	_, placed := m.host.Lstat(into)
	if listed && err == nil && errors.Is(placed, fs.ErrNotExist) {
		vol.State = VolumeDone // also where containers have written to it since
		return shift.Job{}, nil
	}
	job, err := m.planJob(ctx, vol.Source, into)
	if errors.Is(err, shift.ErrDiffers) { // it was written to since an earlier run, whose copy Run removes
		job, err = m.planJob(ctx, vol.Source, into+"-new")
	}
	if err != nil {
		return job, err
	}
	vol.Files, vol.Bytes = job.Report.Files, job.Report.Bytes
	if len(target) > 0 {
		there, err := m.planJob(ctx, vol.Source, vol.Target)
		if errors.Is(err, shift.ErrDiffers) {
			return refuse("a volume of this name with other data is in the store that dockerd uses: %v", err)
		}
		if err == nil && there.State == shift.StateDone {
			vol.State = VolumeDone
		}
		return job, err
	}
	switch r := job.Report; {
	case r.Mixed && r.Done > 0: // IDs in attributes do no harm to a copy
		return refuse("%d files have IDs of the old range and %d of the new one already", r.Todo, r.Done)
	case r.Mounts > 0:
		return refuse("%d mounts in it would not be copied", r.Mounts)
	}
	for _, risk := range job.Risks() {
		risk.Text = fmt.Sprintf("volume %s: %s", v.Name, risk.Text)
		m.Plan.Warnings = append(m.Plan.Warnings, risk)
	}
	if n := job.Report.Outside; n > 0 {
		m.Plan.Warnings = append(m.Plan.Warnings, usernskit.Warning{ID: WarnVolumeOutside,
			Text: fmt.Sprintf("volume %s has %s with an owner outside of the container's IDs: the copy keeps it, and the container sees it as nobody's", v.Name, text.Count(n, "file", "files"))})
	}
	vol.State = VolumeCopy
	return job, nil
}

// planJob plans the copy of a volume.
func (m *Migration) planJob(ctx context.Context, source, into string) (shift.Job, error) {
	return planJob(ctx, m.host, source, into, m.from, m.to, shift.RiskInUse, shift.RiskImmutable)
}

// foreign adds the volumes that are not in the store: those of other drivers.
func (m *Migration) foreign(old *store.Store) {
	seen := map[string]bool{}
	for _, c := range old.Containers {
		for _, v := range c.Mounts {
			if v.Type != "volume" || v.Driver == "" || v.Driver == "local" || seen[v.Name] {
				continue
			}
			if len(m.want.Volumes) > 0 && !slices.Contains(m.want.Volumes, v.Name) {
				continue
			}
			seen[v.Name] = true
			m.Volumes = append(m.Volumes, Volume{Name: v.Name, State: volumeLeft, Source: v.Source,
				Why: fmt.Sprintf("its driver %s keeps the data: install the driver again, and make the volume as it was made", v.Driver)})
		}
	}
}

func (m *Migration) note(format string, args ...any) {
	m.Plan.Warnings = append(m.Plan.Warnings, usernskit.Warning{ID: WarnRecreate, Text: fmt.Sprintf(format, args...)})
}

// recreate adds the commands for images and containers, which are not copied.
func (m *Migration) recreate(ctx context.Context, old *store.Store) {
	later := func(why string, argv ...string) {
		a := usernskit.Action{Why: why, Argv: argv, When: usernskit.WhenLater}
		if !m.host.Live() {
			a.Where = usernskit.WhereBoot
		}
		m.Plan.Actions = append(m.Plan.Actions, a)
	}
	running, err := runsOn(m.host, m.From)
	if err != nil {
		m.note("whether a dockerd runs on %s is not known: %v", m.From, err)
	}
	var save []string
	for _, i := range old.Images {
		switch {
		case len(i.Tags) > 0 && len(i.Digests) > 0:
			later("the new store has no images; this one came from a registry", "docker", "pull", i.Tags[0])
		case len(i.Tags) > 0:
			save = append(save, i.Tags...)
		}
	}
	if len(old.Images) == 0 && running { // containerd may keep them, outside the store
		out, exit, err := m.host.Ask(ctx, "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
		if err != nil || exit != 0 {
			m.note("which images there are is not known: docker image ls gives exit status %d, %v", exit, err)
		}
		save = slices.DeleteFunc(strings.Fields(string(out)), func(tag string) bool { return strings.Contains(tag, "<none>") })
	}
	if len(save) > 0 && running {
		m.Plan.Actions = append(m.Plan.Actions, usernskit.Action{Why: "while dockerd uses the old store; of these images no registry is known",
			Argv: append([]string{"docker", "save", "--output", "images.tar"}, save...)})
		later("once dockerd uses the new store", "docker", "load", "--input", "images.tar")
	} else if len(save) > 0 {
		m.note("images in no registry that is known here, to be built again, or saved by a dockerd on the old store (docker save | docker load): %s", strings.Join(save, ", "))
	}
	projects := map[string]bool{}
	for _, c := range old.Containers {
		project, dir, files := c.Labels["com.docker.compose.project"], c.Labels["com.docker.compose.project.working_dir"], c.Labels["com.docker.compose.project.config_files"]
		switch {
		case c.Unread:
			m.note("container %s: its files cannot be read", c)
		case project != "" && dir != "" && files != "":
			if !projects[project] {
				projects[project] = true
				argv := []string{"docker", "compose", "--project-directory", dir, "--project-name", project}
				for file := range strings.SplitSeq(files, ",") {
					argv = append(argv, "--file", file)
				}
				later("makes the containers of the project again", append(argv, "up", "--detach")...)
			}
		default:
			m.note("container %s, to be made again by the command that made it; what is known of it: %s", c, strings.Join(runCommand(c), " "))
		}
	}
}

// runCommand is the command that makes a container, as far as it is known.
func runCommand(c store.Container) []string {
	argv := []string{"docker", "run", "--detach", "--name=" + c.String()}
	add := func(flag, value string) {
		if value != "" && value != "no" && value != "default" {
			argv = append(argv, flag+"="+value)
		}
	}
	add("--user", c.User)
	add("--restart", c.Restart)
	add("--network", c.Network)
	add("--userns", c.Userns)
	add("--pid", c.PIDMode)
	for _, v := range c.Mounts {
		from := v.Name
		if v.Type == "bind" {
			from = v.Source
		}
		if v.ReadOnly {
			v.Destination += ":ro"
		}
		add("--volume", from+":"+v.Destination)
	}
	for _, d := range c.Devices {
		add("--device", d.Host+":"+d.Container)
	}
	if c.Privileged {
		argv = append(argv, "--privileged")
	}
	return append(argv, c.Image)
}
