from undercroft.cli import main

main()
