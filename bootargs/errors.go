package bootargs

import "errors"

// One error for each decision that a caller makes. They come
// wrapped in an error that names the argument, or the file, line and column.
var (
	// ErrSyntax: the text asked for is not one kernel argument.
	ErrSyntax = errors.New("not a kernel argument")
	// ErrAccumulates: Set on a name that may have several values, such as
	// console=. Ask for Append or Replace instead.
	ErrAccumulates = errors.New("every occurrence of this name counts, so set could lose one: append or replace it")
	// ErrUnsupportedSyntax: an edit of the file, as it is written, would not be safe.
	ErrUnsupportedSyntax = errors.New("written in a way that cannot be edited safely")
	// ErrEncoding: a layer on the way to the kernel cannot carry the argument.
	ErrEncoding = errors.New("cannot be carried to the kernel")
	// ErrTooLong: the kernel would cut the line off, silently, or the GRUB
	// environment block, which has a fixed size, is full.
	ErrTooLong = errors.New("command line too long")
	// ErrUnknownKernel: no boot entry has the name in Edit.Kernel.
	ErrUnknownKernel = errors.New("no such kernel")
	// ErrUnsupported: this boot loader cannot do what is asked.
	ErrUnsupported = errors.New("not possible with this boot loader")
	// ErrOwned: an edit would be undone or ignored. The error and [Loader] name
	// the program that owns the command line and its command.
	ErrOwned = errors.New("another program owns the kernel command line")
	// ErrNoLoader: no known boot loader was found.
	ErrNoLoader = errors.New("no boot loader found")
	// ErrAmbiguous: two boot loaders have equal evidence; Edit.Store chooses.
	ErrAmbiguous = errors.New("cannot tell which boot loader this host boots with")
	// ErrNoPlace: the boot loader is known, but no place with its arguments was
	// found.
	ErrNoPlace = errors.New("no place for kernel arguments")
	// ErrStops: update-grub, or the program that makes another menu, would end
	// at a line of the file.
	ErrStops = errors.New("the program that reads this file stops here")
	// ErrNotApplied: grubby ran and did not make the edit.
	ErrNotApplied = errors.New("grubby did not do what it was asked")
)

// errConflict: the edit contradicts itself.
var errConflict = errors.New("the edit contradicts itself")
