export { Waitlist as default } from "@/features/waitlist/list";
