package bootargs

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/usernskit/usernskit"
)

// onEntries plans for boot loaders that read one file for each kernel.
func (p *planner) onEntries(grub bool) error {
	spell := speller(spellLiteral)
	if grub {
		spell = spellGRUB
	}
	ops, err := p.edit.ops(spell)
	if err != nil {
		return &usernskit.FileError{File: p.entriesDir, Err: err}
	}
	all := p.edit.all()
	var chosen []*entry
	if !all || len(p.entries) > 0 || p.kernel == "" && len(p.shell) == 0 { // the source of new entries is enough
		if chosen, err = choose(p, p.Why, "entry", p.entries, p.named); err != nil {
			return err
		}
	}
	if all && !grub {
		for _, image := range p.images {
			p.warn(WarnSkipped, usernskit.Pos{File: image}, "left alone: a unified kernel image has its arguments inside, signed")
		}
	}
	if grub && all {
		if len(p.shell) > 0 {
			_, err = p.onShell()
		}
		if err == nil {
			err = p.onKernelopts(ops)
		}
		if err != nil {
			return err
		}
	}
	for _, e := range chosen {
		if err := p.onEntry(e, ops); err != nil {
			return err
		}
	}
	if all {
		if err := p.onNewKernels(ops, grub); err != nil {
			return err
		}
	}
	if p.plan.Empty() {
		return nil
	}
	if p.sdbootutil && all && p.kernel == kernelCmdline {
		p.act("sdbootutil makes the entries from /etc/kernel/cmdline, and what the TPM measures of them", "sdbootutil", "update-all-entries")
	}
	p.reboot()
	return nil
}

// onEntry plans the edit of one entry.
func (p *planner) onEntry(e *entry, ops []op) error {
	after, err := e.edit(ops)
	if err != nil || bytes.Equal(after, e.src) {
		return err
	}
	if len(e.options) > 1 {
		p.warn(WarnSeveralOptions, usernskit.Pos{File: e.path, Line: e.options[1].line}, "more than one options line: GRUB reads the first only, systemd-boot joins them")
	}
	line := parseEntry(e.path, after, e.vars).cmdline()
	if e.vars != nil {
		line = "BOOT_IMAGE=(hd0,gpt2)" + e.image + " " + line
	}
	if err := p.fits(e.path, line); err != nil {
		return err
	}
	p.change(e.path, after)
	return nil
}

// loadGRUBVars finds the variables that GRUB has when it reads the entries:
// grub.cfg sets some, then loads the environment block over them. A variable that
// grub.cfg does not mention is empty; one whose value is not known is left out.
func (s *site) loadGRUBVars() {
	for _, e := range s.entries {
		for a := range Cmdline(strings.Join(e.texts(), " ")).Args() {
			name := strings.Trim(a.Name, "${}")
			if isVariable(a.Name) && s.grubCfgPath != "" && !bytes.Contains(s.Read(s.grubCfgPath), []byte(name)) {
				s.vars[name] = ""
			}
		}
	}
	maps.Copy(s.vars, s.cfg.vars)
	if env, err := parseEnv(s.envPath, s.Read(s.envPath)); err == nil {
		for _, name := range []string{"kernelopts", "default_kernelopts", "tuned_params"} {
			if value, ok := env.get(name); ok {
				s.vars[name] = value
			}
		}
	}
}

// onKernelopts edits the variable that entries of EL8 refer to, and notes its
// new value.
func (p *planner) onKernelopts(ops []op) error {
	used := false
	for _, e := range p.entries {
		used = used || len(e.options) == 0 || strings.Contains(e.text(e.options[0]), "kernelopts")
	}
	if !used || p.Read(p.envPath) == nil {
		return nil
	}
	env, err := parseEnv(p.envPath, p.Read(p.envPath))
	if err != nil {
		return err
	}
	text, ok := env.get("kernelopts")
	if !ok {
		return nil
	}
	value, err := apply(text, ops)
	if err != nil {
		return &usernskit.FileError{File: p.envPath, Err: err}
	}
	if value == text {
		return nil
	}
	if col, err := checkGRUB(text); err != nil {
		return &usernskit.FileError{File: p.envPath, Err: fmt.Errorf("kernelopts, byte %d: %w", col, err)}
	}
	after, err := env.set("kernelopts", value)
	if err != nil {
		return err
	}
	p.vars["kernelopts"] = value
	p.change(p.envPath, after)
	return nil
}

// onNewKernels plans for future kernels. kernel-install gives them
// /etc/kernel/cmdline, else /usr/lib/kernel/cmdline, else the running command
// line.
func (p *planner) onNewKernels(ops []op, grub bool) error {
	if p.kernel == "" {
		shared := grub && p.changes(p.envPath)
		made := slices.ContainsFunc(p.entries, func(e *entry) bool { return e.version != "" })
		if len(p.plan.Changes) > 0 && made && !shared { // entries without a version are written by hand
			what := "there is no"
			if p.Exists(kernelCmdline) {
				what = "there is nothing in"
			}
			p.warn(WarnFutureKernels, usernskit.Pos{}, "%s %s: a kernel installed before the next reboot does not get this, one installed after it does", what, kernelCmdline)
		}
		return nil
	}
	after, err := p.line(p.kernel, ops, grub)
	if err != nil {
		return err
	}
	if !bytes.Equal(after, p.Read(p.kernel)) {
		p.change(kernelCmdline, after) // a new file if p.kernel is in /usr/lib, which belongs to packages
	}
	if p.changes(defaultGrub) && !p.changes(kernelCmdline) && p.kernel == kernelCmdline {
		p.act("kernel-install takes "+kernelCmdline+" for outdated when it is older than "+defaultGrub, "touch", kernelCmdline)
	}
	return nil
}
