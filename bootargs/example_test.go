package bootargs_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/usernskit/usernskit"
	"github.com/usernskit/usernskit/bootargs"
)

// host makes a small Debian host in a directory of its own.
func host() (usernskit.Host, func()) {
	root, err := os.MkdirTemp("", "bootargs")
	if err != nil {
		log.Fatal(err)
	}
	for name, text := range map[string]string{
		"etc/os-release":            "ID=debian\nVERSION_ID=\"12\"\n",
		"etc/default/grub":          "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n",
		"boot/grub/grub.cfg":        "menuentry Debian {\n\tlinux /vmlinuz root=/dev/sda1 ro quiet\n}\n",
		"etc/default/grub.d/README": "",
		"proc/cmdline":              "BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	return usernskit.Host{Root: root}, func() { os.RemoveAll(root) }
}

func Example() {
	h, remove := host()
	defer remove()
	plan, err := bootargs.PlanEdit(context.Background(), h, bootargs.Edit{Set: []string{"user_namespace.enable=1"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(plan.Diff())
	if _, err := h.Apply(context.Background(), plan); err != nil {
		log.Fatal(err)
	}
	for _, a := range plan.Actions {
		fmt.Println(a.When, a.Argv)
	}
	// Output:
	// --- /dev/null
	// +++ /etc/default/grub.d/99-usernskit.cfg
	// @@ -0,0 +1,2 @@
	// +# Made by usernskit. To take it back, delete this file and run update-grub.
	// +GRUB_CMDLINE_LINUX="${GRUB_CMDLINE_LINUX} user_namespace.enable=1"
	// now [update-grub]
	// later [reboot]
}

func ExampleCmdline() {
	line := bootargs.Cmdline(`ro  dyndbg="file a.c +p" quiet -- --init-flag`)
	a, _ := line.Effective("dyndbg")
	fmt.Println(a.Value)
	for a := range line.Args() {
		fmt.Println(a.Name)
	}
	// Output:
	// file a.c +p
	// ro
	// dyndbg
	// quiet
}

func ExampleEdit_Apply() {
	e := bootargs.Edit{Append: []string{"console=ttyS0"}, Remove: []string{"quiet"}}
	line, err := e.Apply("root=/dev/sda1 quiet console=tty0\n")
	fmt.Print(line, err)
	// Output:
	// root=/dev/sda1 console=tty0 console=ttyS0
	// <nil>
}

func ExampleParseArg() {
	a, err := bootargs.ParseArg(`"foo=a b"`)
	fmt.Println(a, err)
	_, err = bootargs.ParseArg("foo=a b")
	fmt.Println(err)
	// Output:
	// foo="a b" <nil>
	// "foo=a b": not a kernel argument: more than one argument; quote blanks as name="a b"
}

func ExampleDetect() {
	h, remove := host()
	defer remove()
	loader, err := bootargs.Detect(context.Background(), h)
	fmt.Println(loader.Kind, loader.Distro, err)
	for _, s := range loader.Stores {
		fmt.Println(s.Path, s.What)
	}
	// Output:
	// grub debian 12 <nil>
	// /etc/default/grub GRUB_CMDLINE_LINUX
	// /etc/default/grub.d/99-usernskit.cfg GRUB_CMDLINE_LINUX
}

func ExampleStatus() {
	h, remove := host()
	defer remove()
	r, err := bootargs.Status(context.Background(), h, "user_namespace.enable=1")
	fmt.Println(r.State, err)
	r, err = bootargs.Status(context.Background(), h, "quiet")
	fmt.Println(r.State, err)
	// Output:
	// missing <nil>
	// active <nil>
}

func ExampleCheck() {
	h, remove := host()
	defer remove()
	sources, err := bootargs.Check(context.Background(), h)
	fmt.Println(sources.Stops(), err)
	for _, v := range sources.Values {
		fmt.Printf("%s=%q %s\n", v.What, v.Line, v.Path)
	}
	// Output:
	// false <nil>
	// GRUB_CMDLINE_LINUX="" /etc/default/grub
	// GRUB_CMDLINE_LINUX_DEFAULT="quiet" /etc/default/grub
}
