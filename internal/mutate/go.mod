module example.com/safeconduct/internal/mutate

go 1.26
