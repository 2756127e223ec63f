// Package e2e runs remapctl and a real dockerd together, as root, in mount
// namespaces of their own. See CONTRIBUTING.md for what the tests need.
package e2e
