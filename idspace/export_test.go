package idspace

// NamespacesOf is what Read does with processes.
var NamespacesOf = namespaces
