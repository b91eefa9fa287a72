"""The ground floor: errors, numbers, files and JSON records that every package uses."""
