echo new > a
