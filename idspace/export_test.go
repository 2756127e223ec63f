package idspace

// NamespacesOf is what Read does with processes.
var NamespacesOf = namespaces

// Some writes the names of a row.
var Some = some
