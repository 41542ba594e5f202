export { WaitlistTexts as default } from "@/features/waitlist/messages";
