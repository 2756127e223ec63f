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
	// ErrUnknownKernel: no boot entry is the one that Edit.Kernel names.
	ErrUnknownKernel = errors.New("no such kernel")
	// ErrUnsupported: this boot loader has no place for what is asked.
	ErrUnsupported = errors.New("not possible with this boot loader")
	// ErrOwned: editing files would be undone or ignored. The error names the
	// program that keeps the command line, and how to ask it; [Loader] has both.
	ErrOwned = errors.New("another program owns the kernel command line")
	// ErrNoLoader: the host shows no boot loader that we know.
	ErrNoLoader = errors.New("no boot loader found")
	// ErrAmbiguous: two boot loaders have equal evidence; Edit.Store chooses.
	ErrAmbiguous = errors.New("cannot tell which boot loader this host boots with")
	// ErrNoPlace: the boot loader is known, and no place that holds arguments
	// for it was found.
	ErrNoPlace = errors.New("no place for kernel arguments")
	// ErrStops: update-grub, or the program that makes another menu, would end
	// at a line of the file.
	ErrStops = errors.New("the program that reads this file stops here")
	// ErrNotApplied: grubby ran, and did not do what it was asked.
	ErrNotApplied = errors.New("grubby did not do what it was asked")
)

// errConflict: the edit asks for two things that cannot both be.
var errConflict = errors.New("the edit contradicts itself")
