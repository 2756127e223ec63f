// Package bootargs changes kernel arguments wherever a host keeps them. What a
// kernel needs for user namespaces is in bootargs/gates.
//
//	edit := bootargs.Edit{Set: []string{"user_namespace.enable=1"}}
//	line, err := edit.Apply(`root=/dev/sda1 ro quiet user_namespace.enable=0`)
//	...
//	plan, err := bootargs.PlanEdit(ctx, host, edit)
//	receipt, err := host.Apply(ctx, plan)
//
// A line is read by the kernel's own grammar and kept byte for byte: an edit
// changes the arguments that it must and nothing else, is idempotent, and
// fails as a whole. Files are edited the same way: /etc/default/grub and
// grub.d by the shell's syntax, BLS entries, the GRUB environment block,
// /etc/kernel/cmdline, cmdline.txt of the Raspberry Pi, extlinux.conf, and the
// files that u-boot-menu, limine-entry-tool and sdbootutil read. Each has its
// own quoting, and an argument that one of them cannot carry to the kernel is
// refused before any file changes. PlanEdit writes nothing: a plan is a value
// for [usernskit.Host.Apply].
//
// Detect chooses the boot loader by evidence that the host boots with it, and
// refuses to guess between two. Entries that do not boot Linux with a command
// line of their own stay as they are. A plan without changes and actions means
// that every place is as wanted; finding no place is an error.
//
// What it does not do: run update-grub, grub2-mkconfig or a reboot (the plan
// names them), edit generated files such as grub.cfg, or write files that
// rpm-ostree, bootc, zipl, NixOS or a unified kernel image own; [ErrOwned] then
// names the owner's command. The length limit is that of the kernel's
// architecture. Arguments that are built into a kernel (CONFIG_CMDLINE) or
// added by bootconfig are not seen.
//
// Other readers see the same line differently. GRUB takes ' and \ for quotes,
// expands $name, and hands foo="a b" on as "foo=a b". systemd unquotes like a
// shell and does not stop at "--". grubby splits at blanks inside quotes;
// Edit.ViaGrubby asks grubby only for what it can do, and [Edit.Confirm] checks
// the result. grub-mkconfig runs /etc/default/grub under "sh -e"; [Check] finds
// the lines at which that stops.
package bootargs
