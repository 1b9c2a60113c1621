namespace monitor::test {}
