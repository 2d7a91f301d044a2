SET LOCAL lock_timeout TO '1s'
