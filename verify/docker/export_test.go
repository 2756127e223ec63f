package docker

// ReadWithin is Read with a patience of one's own.
var ReadWithin = read
