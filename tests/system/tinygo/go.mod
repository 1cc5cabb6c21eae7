module attache.test/tinygo

go 1.19

require tinygo.org/x/drivers v0.24.0
