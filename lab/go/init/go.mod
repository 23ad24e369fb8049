module salvor.dev/lab/init

go 1.26.0
